#pragma once

// The ops of layer graphs in double precision, slow and obvious.

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "engine/forward_test_support.h"

namespace tinyai {

class ReferenceNet {
 public:
  ReferenceNet(const TestNet& net, const std::vector<std::vector<float>>& inputs) : net_(net) {
    values_.resize(net.graph.values.size());
    for (const Op& op : net.graph.ops) {
      op_ = &op;
      out_shape_ = net.graph.value(*op.out).shape;
      std::vector<double>& out = values_[Index(*op.out)];
      out.assign(Size(out_shape_), 0);
      if (const auto* input = std::get_if<op::Input>(&op.kind)) {
        const std::vector<float>& from = inputs[input->index];
        std::copy_n(from.begin(), out.size(), out.begin());
      } else {
        std::visit([&](const auto& kind) { Do(kind, out); }, op.kind);
      }
    }
  }

  std::vector<double> Outputs() const {
    std::vector<double> all;
    for (const ValueId id : net_.graph.outputs) {
      const std::vector<double>& values = values_[Index(id)];
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }

 private:
  using Values = std::vector<double>;
  static size_t Size(const Shape& shape) {
    size_t size = 1;
    for (const uint64_t axis : shape) size *= axis;
    return size;
  }
  const Values& In(size_t i) const { return values_[Index(op_->ins[i])]; }
  const Shape& InShape(size_t i) const { return net_.graph.value(op_->ins[i]).shape; }
  double W(size_t i, size_t at) const { return net_.weights[Index(op_->weights[i])][at]; }
  bool HasWeight(size_t i) const { return i < op_->weights.size(); }
  size_t Cols() const { return net_.graph.weight(op_->weights[0]).cols; }
  size_t Rows() const { return net_.graph.weight(op_->weights[0]).rows; }

  // The multi-index of an element, and back; an index of fewer axes counts from the last.
  static std::vector<size_t> At(size_t flat, const Shape& shape) {
    std::vector<size_t> at(shape.size());
    for (size_t i = shape.size(); i-- > 0; flat /= shape[i]) at[i] = flat % shape[i];
    return at;
  }
  static size_t Flat(const std::vector<size_t>& at, const Shape& shape) {
    size_t flat = 0;
    for (size_t i = 0; i < shape.size(); ++i) flat = flat * shape[i] + at[i];
    return flat;
  }

  template <typename Kind>
  void Do(const Kind&, Values&) {
    ADD_FAILURE() << "no reference for " << Name(op_->kind);
  }

  void Do(const op::MatMul&, Values& out) {
    for (size_t i = 0; i < out.size(); ++i) {
      const size_t row = i / Rows(), r = i % Rows();
      out[i] = HasWeight(1) ? W(1, r) : 0;
      for (size_t c = 0; c < Cols(); ++c) out[i] += W(0, r * Cols() + c) * In(0)[row * Cols() + c];
    }
  }
  struct Image {
    long c, h, w;
  };
  static Image ImageOf(const Shape& s) {
    return {static_cast<long>(s[0]), s.size() == 3 ? static_cast<long>(s[1]) : 1,
            static_cast<long>(s.back())};
  }
  // Calls f(out index, weight index, in index) for every multiplication of a convolution.
  template <typename F>
  void Taps(const op::Window& w, uint32_t groups, bool transposed, F&& f) {
    const Image in = ImageOf(InShape(0)), out = ImageOf(out_shape_);
    const long per = in.c / groups, out_per = out.c / groups;
    const Image& small = transposed ? in : out;  // strides go over it
    const Image& large = transposed ? out : in;
    for (long o = 0; o < out.c; ++o)
      for (long y = 0; y < small.h; ++y)
        for (long x = 0; x < small.w; ++x)
          for (long c = 0; c < per; ++c)
            for (long ky = 0; ky < w.size[0]; ++ky)
              for (long kx = 0; kx < w.size[1]; ++kx) {
                const long ly = y * w.stride[0] - w.pad_begin[0] + ky * w.dilation[0];
                const long lx = x * w.stride[1] - w.pad_begin[1] + kx * w.dilation[1];
                if (ly < 0 || lx < 0 || ly >= large.h || lx >= large.w) continue;
                const long ic = o / out_per * per + c;
                const long at_small = y * small.w + x, at_large = ly * large.w + lx;
                const long at_in = ic * in.h * in.w + (transposed ? at_small : at_large);
                const long at_out = o * out.h * out.w + (transposed ? at_large : at_small);
                f(at_out, ((o * per + c) * w.size[0] + ky) * w.size[1] + kx, at_in);
              }
  }
  void Conv(const op::Window& w, uint32_t groups, bool transposed, Values& out) {
    const size_t plane = out.size() / out_shape_[0];
    for (size_t i = 0; i < out.size(); ++i) out[i] = HasWeight(1) ? W(1, i / plane) : 0;
    Taps(w, groups, transposed, [&](long o, long k, long i) {
      out[static_cast<size_t>(o)] += W(0, static_cast<size_t>(k)) * In(0)[static_cast<size_t>(i)];
    });
  }
  void Do(const op::Conv& conv, Values& out) { Conv(conv.window, conv.groups, false, out); }
  void Do(const op::ConvTranspose& conv, Values& out) { Conv(conv.window, conv.groups, true, out); }
  void Do(const op::Pool& pool, Values& out) {
    std::vector<Values> seen(out.size());
    Taps(pool.window, static_cast<uint32_t>(out_shape_[0]), false, [&](long o, long, long i) {
      seen[static_cast<size_t>(o)].push_back(In(0)[static_cast<size_t>(i)]);
    });
    for (size_t i = 0; i < out.size(); ++i) {
      double sum = 0;
      for (const double value : seen[i]) sum += value;
      out[i] = pool.kind == op::PoolKind::kMax ? *std::max_element(seen[i].begin(), seen[i].end())
                                               : sum / static_cast<double>(seen[i].size());
    }
  }
  void Do(const op::GlobalPool& pool, Values& out) {
    const size_t plane = In(0).size() / out.size();
    for (size_t c = 0; c < out.size(); ++c) {
      double sum = 0, most = -1e300;
      for (size_t i = 0; i < plane; ++i) {
        sum += In(0)[c * plane + i];
        most = std::max(most, In(0)[c * plane + i]);
      }
      out[c] = pool.kind == op::PoolKind::kMax ? most : sum / static_cast<double>(plane);
    }
  }

  // Of stretches of `size` elements: (x - mean) / sqrt(variance + epsilon).
  void Normalise(size_t size, double epsilon, Values& out) {
    for (size_t begin = 0; begin < out.size(); begin += size) {
      double mean = 0, variance = 0;
      for (size_t i = 0; i < size; ++i) mean += In(0)[begin + i] / static_cast<double>(size);
      for (size_t i = 0; i < size; ++i) {
        variance += std::pow(In(0)[begin + i] - mean, 2) / static_cast<double>(size);
      }
      for (size_t i = 0; i < size; ++i) {
        out[begin + i] = (In(0)[begin + i] - mean) / std::sqrt(variance + epsilon);
      }
    }
  }
  void Do(const op::LayerNorm& norm, Values& out) {
    const size_t size = InShape(0).back();
    Normalise(size, norm.epsilon, out);
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = out[i] * W(0, i % size) + (HasWeight(1) ? W(1, i % size) : 0);
    }
  }
  void Do(const op::GroupNorm& norm, Values& out) {
    const size_t plane = out.size() / InShape(0)[0];
    Normalise(out.size() / norm.groups, norm.epsilon, out);
    for (size_t i = 0; i < out.size(); ++i) out[i] = out[i] * W(0, i / plane) + W(1, i / plane);
  }
  void Do(const op::BatchNorm& norm, Values& out) {
    const size_t plane = out.size() / InShape(0)[0];
    for (size_t i = 0; i < out.size(); ++i) {
      const size_t c = i / plane;
      out[i] = (In(0)[i] - W(2, c)) / std::sqrt(W(3, c) + norm.epsilon) * W(0, c) + W(1, c);
    }
  }
  void Do(const op::RmsNorm& norm, Values& out) {
    for (size_t begin = 0; begin < out.size(); begin += norm.group) {
      double squares = 0;
      for (size_t i = 0; i < norm.group; ++i) squares += std::pow(In(0)[begin + i], 2);
      const double root = std::sqrt(squares / static_cast<double>(norm.group) + norm.epsilon);
      for (size_t i = 0; i < norm.group; ++i) out[begin + i] = In(0)[begin + i] / root * W(0, i);
    }
  }

  void Do(const op::Activation& activation, Values& out) {
    const double alpha = activation.alpha;
    const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
    const auto clip = [](double x, double most) { return std::min(std::max(x, 0.0), most); };
    for (size_t i = 0; i < out.size(); ++i) {
      const double x = In(0)[i];
      switch (activation.function) {
        case op::Function::kRelu:
          out[i] = std::max(x, 0.0);
          break;
        case op::Function::kLeakyRelu:
          out[i] = x < 0 ? alpha * x : x;
          break;
        case op::Function::kGelu:
          out[i] = x / 2 * (1 + std::erf(x / std::sqrt(2)));
          break;
        case op::Function::kGeluTanh:
          out[i] = x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
          break;
        case op::Function::kSilu:
          out[i] = x * sigmoid(x);
          break;
        case op::Function::kSigmoid:
          out[i] = sigmoid(x);
          break;
        case op::Function::kTanh:
          out[i] = std::tanh(x);
          break;
        case op::Function::kHardSwish:
          out[i] = x * clip(x + 3, 6) / 6;
          break;
        case op::Function::kHardSigmoid:
          out[i] = clip(x + 3, 6) / 6;
          break;
        case op::Function::kClip:
          out[i] = clip(x, alpha);
          break;
      }
    }
  }
  void Binary(const std::function<double(double, double)>& f, Values& out) {
    for (size_t i = 0; i < out.size(); ++i) {
      double other = 0;
      if (op_->ins.size() == 1) {
        other = W(0, i % Cols());
      } else {
        const Shape& shape = InShape(1);
        std::vector<size_t> at = At(i, out_shape_);
        at.erase(at.begin(), at.begin() + static_cast<ptrdiff_t>(at.size() - shape.size()));
        for (size_t axis = 0; axis < shape.size(); ++axis) at[axis] %= shape[axis];
        other = In(1)[Flat(at, shape)];
      }
      out[i] = f(In(0)[i], other);
    }
  }
  void Do(const op::Add&, Values& out) { Binary(std::plus<>(), out); }
  void Do(const op::Mul&, Values& out) { Binary(std::multiplies<>(), out); }
  void Do(const op::SiluMul&, Values& out) {
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = In(0)[i] / (1 + std::exp(-In(0)[i])) * In(1)[i];
  }

  void Do(const op::Concat& concat, Values& out) {
    for (size_t i = 0; i < out.size(); ++i) {
      std::vector<size_t> at = At(i, out_shape_);
      size_t part = 0;
      while (at[concat.axis] >= InShape(part)[concat.axis]) {
        at[concat.axis] -= InShape(part++)[concat.axis];
      }
      out[i] = In(part)[Flat(at, InShape(part))];
    }
  }
  void Do(const op::Slice& slice, Values& out) {
    for (size_t i = 0; i < out.size(); ++i) {
      std::vector<size_t> at = At(i, out_shape_);
      at[slice.axis] += slice.begin;
      out[i] = In(0)[Flat(at, InShape(0))];
    }
  }
  void Do(const op::Reshape&, Values& out) { out = In(0); }
  void Do(const op::Transpose& transpose, Values& out) {
    for (size_t i = 0; i < out.size(); ++i) {
      const std::vector<size_t> at = At(i, out_shape_);
      std::vector<size_t> from(at.size());
      for (size_t axis = 0; axis < at.size(); ++axis) from[transpose.order[axis]] = at[axis];
      out[i] = In(0)[Flat(from, InShape(0))];
    }
  }
  void Do(const op::Pad& pad, Values& out) {
    for (size_t i = 0; i < out.size(); ++i) {
      std::vector<size_t> at = At(i, out_shape_);
      bool outside = false;
      for (size_t axis = 0; axis < at.size(); ++axis) {
        const long size = static_cast<long>(InShape(0)[axis]);
        long x = static_cast<long>(at[axis]) - static_cast<long>(pad.before[axis]);
        outside = outside || x < 0 || x >= size;
        if (pad.mode == op::PadMode::kEdge) x = std::clamp(x, 0L, size - 1);
        if (pad.mode == op::PadMode::kReflect) x = x < 0 ? -x : x >= size ? 2 * size - 2 - x : x;
        at[axis] = static_cast<size_t>(std::clamp(x, 0L, size - 1));
      }
      const bool constant = outside && pad.mode == op::PadMode::kConstant;
      out[i] = constant ? pad.value : In(0)[Flat(at, InShape(0))];
    }
  }
  void Do(const op::Resize& resize, Values& out) {
    for (size_t i = 0; i < out.size(); ++i) {
      const std::vector<size_t> at = At(i, out_shape_);
      std::vector<size_t> low(at.size());
      std::vector<double> share(at.size());
      low[0] = at[0];
      for (size_t axis = 1; axis < at.size(); ++axis) {
        const double in = static_cast<double>(InShape(0)[axis]);
        const double to = static_cast<double>(out_shape_[axis]);
        const double o = static_cast<double>(at[axis]);
        const bool nearest = resize.mode == op::ResizeMode::kNearest;
        double x = nearest                ? std::floor(o * in / to)
                   : resize.align_corners ? (to > 1 ? o * (in - 1) / (to - 1) : 0)
                                          : (o + 0.5) * in / to - 0.5;
        x = std::clamp(x, 0.0, in - 1);
        low[axis] = static_cast<size_t>(x);
        share[axis] = x - std::floor(x);
      }
      for (size_t corner = 0; corner < size_t{1} << (at.size() - 1); ++corner) {
        std::vector<size_t> from = low;
        double weight = 1;
        for (size_t axis = 1; axis < at.size(); ++axis) {
          const bool high = corner >> (axis - 1) & 1;
          weight *= high ? share[axis] : 1 - share[axis];
          from[axis] = std::min<size_t>(from[axis] + high, InShape(0)[axis] - 1);
        }
        out[i] += weight * In(0)[Flat(from, InShape(0))];
      }
    }
  }
  void Do(const op::Softmax& softmax, Values& out) {
    Values sums(out.size());
    for (size_t i = 0; i < out.size(); ++i) {
      std::vector<size_t> at = At(i, out_shape_);
      double sum = 0;
      for (size_t k = 0; k < out_shape_[softmax.axis]; ++k) {
        at[softmax.axis] = k;
        sum += std::exp(In(0)[Flat(at, out_shape_)]);
      }
      out[i] = std::exp(In(0)[i]) / sum;
    }
  }
  void Do(const op::Reduce& reduce, Values& out) {
    Shape kept = InShape(0);
    for (const uint32_t axis : reduce.axes) kept[axis] = 1;
    const double count = static_cast<double>(In(0).size() / out.size());
    std::vector<bool> seen(out.size());
    for (size_t i = 0; i < In(0).size(); ++i) {
      std::vector<size_t> at = At(i, InShape(0));
      for (const uint32_t axis : reduce.axes) at[axis] = 0;
      const size_t to = Flat(at, kept);
      const double x = In(0)[i];
      const bool first = !seen[to];
      seen[to] = true;
      switch (reduce.kind) {
        case op::ReduceKind::kSum:
          out[to] += x;
          break;
        case op::ReduceKind::kMean:
          out[to] += x / count;
          break;
        case op::ReduceKind::kMax:
          out[to] = first ? x : std::max(out[to], x);
          break;
        case op::ReduceKind::kMin:
          out[to] = first ? x : std::min(out[to], x);
          break;
      }
    }
  }
  void Do(const op::Lookup&, Values& out) {
    for (size_t i = 0; i < out.size(); ++i) {
      const double id = std::clamp(In(0)[i / Cols()], 0.0, static_cast<double>(Rows() - 1));
      out[i] = W(0, static_cast<size_t>(id) * Cols() + i % Cols());
    }
  }
  void Do(const op::Attend& attend, Values& out) {
    const size_t queries = InShape(0)[0], keys = InShape(1)[0];
    const size_t dim = InShape(0)[1] / attend.heads, value_dim = InShape(2)[1] / attend.kv_heads;
    const double scale = attend.scale != 0 ? attend.scale : 1 / std::sqrt(static_cast<double>(dim));
    for (size_t q = 0; q < queries; ++q) {
      for (size_t head = 0; head < attend.heads; ++head) {
        const size_t kv = head / (attend.heads / attend.kv_heads);
        const size_t end = attend.causal ? q + keys - queries + 1 : keys;
        Values weights(end);
        double sum = 0;
        for (size_t k = 0; k < end; ++k) {
          double dot = 0;
          for (size_t i = 0; i < dim; ++i) {
            dot +=
                In(0)[q * InShape(0)[1] + head * dim + i] * In(1)[k * InShape(1)[1] + kv * dim + i];
          }
          sum += weights[k] = std::exp(dot * scale);
        }
        for (size_t k = 0; k < end; ++k) {
          for (size_t i = 0; i < value_dim; ++i) {
            out[q * out_shape_[1] + head * value_dim + i] +=
                weights[k] / sum * In(2)[k * InShape(2)[1] + kv * value_dim + i];
          }
        }
      }
    }
  }
  void Do(const op::Recurrent& recurrent, Values& out) {
    const bool lstm = recurrent.cell == op::Cell::kLstm;
    const size_t gates = lstm ? 4 : 3, size = Cols(), steps = InShape(0)[0];
    const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
    Values h(size), c(size);
    if (op_->ins.size() > 1) h = In(1);
    if (op_->ins.size() > 2) c = In(2);
    for (size_t step = 0; step < steps; ++step) {
      const size_t t = recurrent.reverse ? steps - 1 - step : step;
      Values own(gates * size);
      for (size_t row = 0; row < own.size(); ++row) {
        own[row] = HasWeight(1) ? W(1, row) : 0;
        for (size_t i = 0; i < size; ++i) own[row] += W(0, row * size + i) * h[i];
      }
      const auto in = [&](size_t gate, size_t i) { return In(0)[(t * gates + gate) * size + i]; };
      for (size_t i = 0; i < size; ++i) {
        const auto both = [&](size_t gate) { return in(gate, i) + own[gate * size + i]; };
        if (lstm) {
          c[i] = sigmoid(both(1)) * c[i] + sigmoid(both(0)) * std::tanh(both(2));
          h[i] = sigmoid(both(3)) * std::tanh(c[i]);
        } else {
          const double n = std::tanh(in(2, i) + sigmoid(both(0)) * own[2 * size + i]);
          h[i] = (1 - sigmoid(both(1))) * n + sigmoid(both(1)) * h[i];
        }
      }
      const bool state = lstm && recurrent.state;
      for (size_t i = 0; i < size; ++i) {
        out[t * (state ? 2 : 1) * size + i] = h[i];
        if (state) out[(t * 2 + 1) * size + i] = c[i];
      }
    }
  }
  void Do(const op::Paste& paste, Values& out) {
    const size_t part = op_->ins.size() - 1;
    if (part == 1) out = In(0);
    for (size_t i = 0; i < In(part).size(); ++i) {
      std::vector<size_t> at = At(i, InShape(part));
      at[paste.axis] += paste.begin;
      out[Flat(at, out_shape_)] = In(part)[i];
    }
  }

  const TestNet& net_;
  const Op* op_ = nullptr;
  Shape out_shape_;
  std::vector<Values> values_;
};

// How far apart two results are, in terms of the largest of the reference.
inline double Deviation(const std::vector<float>& got, const std::vector<double>& expected) {
  EXPECT_EQ(got.size(), expected.size());
  double most = 1e-3, off = 0;
  for (size_t i = 0; i < std::min(got.size(), expected.size()); ++i) {
    most = std::max(most, std::abs(expected[i]));
    off = std::max(off, std::abs(static_cast<double>(got[i]) - expected[i]));
  }
  return off / most;
}

}  // namespace tinyai
