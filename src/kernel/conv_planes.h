#pragma once

#include <cstdint>

#include "kernel/conv_pass.h"

namespace tinyai {

// Floats behind planes that loads of whole vectors may touch.
constexpr uint64_t kConvSlack = 80;

// How the input of some rows of a pass's grid lies: with its padding and, for steps, split into
// planes by the residue of row and column, so that every tap of neighbouring pixels is one load at
// a constant distance. Pixel (row, col) has its place at row * width + col of a plane.
struct ConvPlanes {
  struct Axis {
    uint64_t step;   // inputs from one element of a plane to the next
    uint64_t apart;  // and from one plane to the next
    uint64_t planes;
    uint64_t reach;  // the most elements from a pixel's place to a tap
    int64_t before;  // inputs from a pixel's first tap back to the first in the map

    explicit Axis(const AxisPass& pass);
    // Where tap `tap` of a pixel is: a plane, and elements from the pixel's place on.
    uint64_t PlaneOf(const AxisPass& pass, uint64_t tap) const {
      return Shift(pass, tap) % step / apart;
    }
    uint64_t PlaceOf(const AxisPass& pass, uint64_t tap) const { return Shift(pass, tap) / step; }
    // The input that pixel 0's place has in plane `plane`.
    int64_t Input(const AxisPass& pass, uint64_t plane) const {
      return pass.first_in - before + static_cast<int64_t>(plane * apart);
    }

   private:
    uint64_t Shift(const AxisPass& pass, uint64_t tap) const {
      return static_cast<uint64_t>(before + static_cast<int64_t>(tap) * pass.tap_in);
    }
  };
  Axis rows, cols;
  uint64_t shared;  // zeros behind a row that are those before the next one too
  uint64_t width;

  ConvPlanes(const AxisPass& row_pass, const AxisPass& col_pass)
      : rows(row_pass),
        cols(col_pass),
        shared(SharedZeros(cols, col_pass)),
        width(col_pass.grid + cols.reach - shared) {}

  uint64_t Planes() const { return rows.planes * cols.planes; }  // of a channel
  // Of one plane, for `grid_rows` rows of the grid.
  uint64_t PlaneFloats(uint64_t grid_rows) const {
    return (grid_rows + rows.reach) * width + shared;
  }
  // The most rows of the grid whose planes take at most `floats` in a channel; 0 if none do.
  uint64_t MostRows(uint64_t floats) const;

 private:
  static uint64_t SharedZeros(const Axis& axis, const AxisPass& pass);
};

}  // namespace tinyai
