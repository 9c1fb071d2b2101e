#pragma once

#include <span>

namespace tinyai {

// Cells of recurrent nets, from their gates before the activation: sums of the products with input
// and state, biases included. All of one size, any range of the units; an output may be any input.

struct LstmGates {
  std::span<const float> input, forget, cell, output;
};

// cell = sigmoid(forget) cell + sigmoid(input) tanh(cell gate); hidden = sigmoid(output)
// tanh(cell).
void LstmCell(const LstmGates& gates, std::span<const float> cell, std::span<float> new_cell,
              std::span<float> new_hidden);

struct GruGates {
  std::span<const float> reset, update;
  std::span<const float> input, hidden;  // the candidate's parts from the input and from the state
};

// candidate = tanh(input + sigmoid(reset) hidden); z = sigmoid(update);
// new_state = (1 - z) candidate + z state.
void GruCell(const GruGates& gates, std::span<const float> state, std::span<float> new_state);

}  // namespace tinyai
