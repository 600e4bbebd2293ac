// Non-maximum suppression: the boxes by falling score, each dropped that overlaps a kept one of its group by more than a threshold.
// Reached as tessera::nms.
#include "clones.h"
#include "tessera.h"

#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <sstream>
#include <type_traits>

namespace tessera {
namespace {

// As wide as a number, so that both fill a register alike.
template <typename T> using Flag = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

// The boxes of a group in the order of their scores, each coordinate for itself.
template <typename T> struct Columns {
    const T *x1, *y1, *x2, *y2, *area;
    Flag<T>* dropped;
};

// Drops what overlaps box i among the boxes from begin to end.
template <typename T> TESSERA_INLINE void drop_boxes(const Columns<T>& boxes, int64_t i, int64_t begin, int64_t end, T most) {
    const T left = boxes.x1[i], top = boxes.y1[i], right = boxes.x2[i], bottom = boxes.y2[i], area = boxes.area[i];
    const T *__restrict x1 = boxes.x1, *__restrict y1 = boxes.y1, *__restrict x2 = boxes.x2, *__restrict y2 = boxes.y2,
                       *__restrict areas = boxes.area;
    Flag<T>* __restrict dropped = boxes.dropped;
#pragma omp simd
    for (int64_t j = begin; j < end; j++) {
        const T width = std::max(std::min(right, x2[j]) - std::max(left, x1[j]), T(0)),
                height = std::max(std::min(bottom, y2[j]) - std::max(top, y1[j]), T(0));
        const T both = width * height, either = std::max(area + areas[j] - both, T(1e-6));
        dropped[j] |= both / either > most ? 1 : 0;
    }
}

TESSERA_CLONES void drop(const Columns<float>& boxes, int64_t i, int64_t begin, int64_t end, float most) {
    drop_boxes(boxes, i, begin, end, most);
}
TESSERA_CLONES void drop(const Columns<double>& boxes, int64_t i, int64_t begin, int64_t end, double most) {
    drop_boxes(boxes, i, begin, end, most);
}

// Keeps what is left of the boxes from begin to end: tile by tile, first among the tile's own, then all later ones against those.
template <typename T> void suppress(const Columns<T>& boxes, int64_t begin, int64_t end, T most) {
    constexpr int64_t tile = 256;
    for (auto first = begin; first < end; first += tile) {
        auto last = std::min(first + tile, end);
        for (auto i = first; i < last; i++)
            if (!boxes.dropped[i]) drop(boxes, i, i + 1, last, most);
        at::parallel_for(last, end, 4096, [&](int64_t from, int64_t to) {
            // A stretch that stays in the nearest cache while the tile's boxes pass over it.
            for (auto part = from; part < to; part += 1024)
                for (auto i = first; i < last; i++)
                    if (!boxes.dropped[i]) drop(boxes, i, part, std::min(part + 1024, to), most);
        });
    }
}

// Comparing a T with the result decides as comparing it with the threshold does.
template <typename T> T rounded_down(double threshold) {
    auto near = static_cast<T>(threshold);
    return static_cast<double>(near) > threshold ? std::nextafter(near, -std::numeric_limits<T>::infinity()) : near;
}

template <typename T> at::Tensor keep(const at::Tensor& boxes_, const at::Tensor& scores_, double iou, const at::Tensor& groups_) {
    auto boxes = boxes_.to(c10::CppTypeToScalarType<T>::value).contiguous(), groups = groups_.contiguous();
    auto scores = scores_.to(at::kDouble).contiguous();
    auto corners = boxes.template data_ptr<T>();
    auto score = scores.template data_ptr<double>();
    auto group = groups.numel() > 0 ? groups.template data_ptr<int64_t>() : nullptr;
    auto n = boxes.size(0);
    // The best first; equal ones in their given order, what is not a number last.
    auto better = [&](int64_t a, int64_t b) {
        if (std::isnan(score[a]) || std::isnan(score[b]))
            return std::isnan(score[a]) == std::isnan(score[b]) ? a < b : std::isnan(score[b]);
        return score[a] != score[b] ? score[a] > score[b] : a < b;
    };
    std::vector<int64_t> order(n);
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
        [&](int64_t a, int64_t b) { return group && group[a] != group[b] ? group[a] < group[b] : better(a, b); });

    std::vector<T> columns(5 * n);
    std::vector<Flag<T>> dropped(n);
    auto column = [&](int64_t c) { return columns.data() + c * n; };
    for (int64_t i = 0; i < n; i++) {
        auto box = corners + 4 * order[i];
        for (int64_t c = 0; c < 4; c++) column(c)[i] = box[c];
        column(4)[i] = (box[2] - box[0]) * (box[3] - box[1]);
    }
    std::vector<int64_t> starts;
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || (group && group[order[i]] != group[order[i - 1]])) starts.push_back(i);
    starts.push_back(n);
    Columns<T> sorted{column(0), column(1), column(2), column(3), column(4), dropped.data()};
    const auto most = rounded_down<T>(iou);
    auto count = static_cast<int64_t>(starts.size()) - 1;
    // Many groups are shared out; the boxes of a few are.
    if (count >= 2 * at::get_num_threads())
        at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
            for (auto g = begin; g < end; g++) suppress(sorted, starts[g], starts[g + 1], most);
        });
    else
        for (int64_t g = 0; g < count; g++) suppress(sorted, starts[g], starts[g + 1], most);

    std::vector<int64_t> kept;
    for (int64_t i = 0; i < n; i++)
        if (!dropped[i]) kept.push_back(order[i]);
    if (count > 1) std::sort(kept.begin(), kept.end(), better);
    auto result = at::empty({static_cast<int64_t>(kept.size())}, boxes.options().dtype(at::kLong));
    std::copy(kept.begin(), kept.end(), result.template data_ptr<int64_t>());
    return result;
}

at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double iou, const Optional<at::Tensor>& groups) {
    auto text = [](at::IntArrayRef shape) {
        std::ostringstream out;
        out << shape;
        return out.str();
    };
    auto require = [](bool right, const std::string& message) {
        if (!right) throw Failure(ErrorKind::Shape, "nms: " + message);
    };
    require(boxes.dim() == 2 && boxes.size(1) == 4, "the boxes have to be [n, 4], they are " + text(boxes.sizes()));
    require(scores.dim() == 1 && scores.size(0) == boxes.size(0),
        "the scores have to be [" + std::to_string(boxes.size(0)) + "], they are " + text(scores.sizes()));
    auto grouped = groups.has_value() && groups->defined();
    require(!grouped || (groups->dim() == 1 && groups->size(0) == boxes.size(0)),
        "the groups have to be [" + std::to_string(boxes.size(0)) + "], they are " + (grouped ? text(groups->sizes()) : ""));
    if (grouped && groups->scalar_type() != at::kLong)
        throw Failure(ErrorKind::Type, std::string("nms: the groups have to be int64, they are ") + c10::toString(groups->scalar_type()));
    auto none = at::empty({0}, boxes.options().dtype(at::kLong));
    return boxes.scalar_type() == at::kDouble ? keep<double>(boxes, scores, iou, grouped ? *groups : none)
                                              : keep<float>(boxes, scores, iou, grouped ? *groups : none);
}

}  // namespace
}  // namespace tessera

TORCH_LIBRARY_FRAGMENT(tessera, library) { library.def("nms(Tensor boxes, Tensor scores, float iou, Tensor? groups=None) -> Tensor"); }

TORCH_LIBRARY_IMPL(tessera, CPU, library) { library.impl("nms", tessera::nms); }
