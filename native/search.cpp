// The exact search of an index: the rows with the largest inner products with each of some queries. Rows are read once for all of them,
// in tiles that stay in the second cache, by the products of kernels/.
#include "kernels/kernels.h"
#include "tessera.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cfloat>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

namespace tessera {
namespace {

// Rows that lie one after the other. Mirrored by Tessera.Retrieval.Stretch.
struct Stretch {
    const float* vectors;
    int64_t rows;
    int64_t first;  // number of the first row
};

// Mirrored by Tessera.Native.NearestSearch.
struct Nearest {
    const Stretch* stretches;
    int64_t stretch_count;
    const uint64_t* allowed;  // a bit for each row, or null for all
    const float* queries;
    int64_t query_count, dimension, most;
    float* scores;   // [queries, most]
    int64_t* rows;   // [queries, most]
    int64_t* found;  // [queries]
    int32_t threads;
};

struct Found {
    float score;
    int64_t row;
};

// What comes first: the larger score, of equal ones the earlier row.
bool before(const Found& a, const Found& b) { return a.score != b.score ? a.score > b.score : a.row < b.row; }

constexpr int64_t tile_rows = 120, piece_rows = 1920;

struct Free {
    void operator()(void* memory) const { std::free(memory); }
};
using Floats = std::unique_ptr<float, Free>;

Floats floats(size_t bytes) {
    auto memory = std::aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (memory == nullptr) throw std::bad_alloc();
    return Floats(static_cast<float*>(memory));
}

bool is_allowed(const uint64_t* allowed, int64_t row) { return allowed == nullptr || (allowed[row >> 6] >> (row & 63) & 1) != 0; }

// What one thread has found so far: for each query a heap with the last one on top.
class Collector {
public:
    // wide: how many of the queries are packed; the last few are not.
    Collector(const Nearest& search, const kernels::Table& table, const float* packed, int64_t wide)
        : search(search), table(table), packed(packed), wide(wide), heaps(search.query_count), least(search.query_count, -FLT_MAX),
          scores(floats(tile_rows * search.query_count * sizeof(float))), gathered(floats(tile_rows * search.dimension * sizeof(float))) {}

    // Rows of a stretch from one on to another.
    void visit(const Stretch& stretch, int64_t from, int64_t to) {
        while (from < to) {
            // Whole tiles are read where they lie, as long as enough of their rows count.
            auto end = std::min(from + tile_rows, to);
            if (end - from == tile_rows && count_allowed(stretch.first + from, stretch.first + end) >= tile_rows / 2) {
                flush();
                for (int64_t i = 0; i < tile_rows; i++) numbers[i] = stretch.first + from + i;
                multiply(stretch.vectors + from * search.dimension, tile_rows, true);
                from = end;
                continue;
            }
            for (; from < end; from++) {
                if (!is_allowed(search.allowed, stretch.first + from)) continue;
                std::memcpy(gathered.get() + waiting * search.dimension, stretch.vectors + from * search.dimension,
                    static_cast<size_t>(search.dimension) * sizeof(float));
                numbers[waiting++] = stretch.first + from;
                if (waiting == tile_rows) flush();
            }
        }
    }

    void flush() {
        if (waiting > 0) multiply(gathered.get(), waiting, false);
        waiting = 0;
    }

    std::vector<std::vector<Found>>& found() { return heaps; }

private:
    int64_t count_allowed(int64_t from, int64_t to) const {
        if (search.allowed == nullptr) return to - from;
        int64_t count = 0;
        for (auto row = from; row < to; row++) count += is_allowed(search.allowed, row);
        return count;
    }

    void multiply(const float* rows, int64_t count, bool check) {
        float* few = scores.get() + wide * count;
        if (wide > 0) {
            kernels::Gemm product{};
            product.a = rows;
            product.b = packed;
            product.out = scores.get();
            product.rows = count;
            product.columns = wide;
            product.depth = search.dimension;
            product.a_stride = search.dimension;
            product.out_stride = wide;
            table.gemm(product, 1);
        }
        if (wide < search.query_count)
            table.dots(rows, count, search.queries + wide * search.dimension, search.query_count - wide, search.dimension, few);
        for (int64_t i = 0; i < count; i++) {
            if (check && !is_allowed(search.allowed, numbers[i])) continue;
            const float* row = scores.get() + i * wide;
            for (int64_t q = 0; q < wide; q++)
                if (row[q] > least[q]) insert(q, Found{row[q], numbers[i]});
            for (int64_t q = wide; q < search.query_count; q++)
                if (few[(q - wide) * count + i] > least[q]) insert(q, Found{few[(q - wide) * count + i], numbers[i]});
        }
    }

    // A thread sees rows in rising order, so that an equal score that comes later comes after.
    void insert(int64_t q, Found found) {
        auto& heap = heaps[q];
        if (static_cast<int64_t>(heap.size()) == search.most) {
            std::pop_heap(heap.begin(), heap.end(), before);
            heap.pop_back();
        }
        heap.push_back(found);
        std::push_heap(heap.begin(), heap.end(), before);
        if (static_cast<int64_t>(heap.size()) == search.most) least[q] = heap.front().score;
    }

    const Nearest& search;
    const kernels::Table& table;
    const float* packed;
    int64_t wide;
    std::vector<std::vector<Found>> heaps;
    std::vector<float> least;
    Floats scores, gathered;
    int64_t numbers[tile_rows], waiting = 0;
};

void nearest(const Nearest& search) {
    const auto& table = kernels::current();
    // Packed columns come in whole vectors: the few queries of a batch that would fill a small part of the last one are not packed.
    auto rest = search.query_count % 16;
    auto wide = rest <= kernels::most_dots ? search.query_count - rest : search.query_count;
    Floats packed;
    if (wide > 0) {
        packed = floats(table.packed_bytes(search.dimension, wide, 0));
        table.pack(search.queries, 1, search.dimension, search.dimension, wide, 0, packed.get());
    }
    std::vector<int64_t> starts;
    int64_t total = 0;
    for (int64_t i = 0; i < search.stretch_count; i++) {
        starts.push_back(total);
        total += search.stretches[i].rows;
    }
    std::vector<std::vector<Found>> all(search.query_count);
    std::atomic<int64_t> next{0};
    std::mutex guard;
    bool no_memory = false;
#pragma omp parallel num_threads(static_cast <int>(std::max <int64_t>(1, std::min <int64_t>(search.threads, total / piece_rows + 1))))
    {
        try {
            Collector mine(search, table, packed.get(), wide);
            for (auto from = next.fetch_add(piece_rows); from < total; from = next.fetch_add(piece_rows)) {
                auto to = std::min(from + piece_rows, total);
                auto i = std::upper_bound(starts.begin(), starts.end(), from) - starts.begin() - 1;
                for (; i < search.stretch_count && starts[i] < to; i++) {
                    const auto& stretch = search.stretches[i];
                    mine.visit(stretch, std::max<int64_t>(from - starts[i], 0), std::min(to - starts[i], stretch.rows));
                }
            }
            mine.flush();
            std::lock_guard<std::mutex> lock(guard);
            for (int64_t q = 0; q < search.query_count; q++) all[q].insert(all[q].end(), mine.found()[q].begin(), mine.found()[q].end());
        } catch (const std::bad_alloc&) {
            std::lock_guard<std::mutex> lock(guard);
            no_memory = true;
        }
    }
    if (no_memory) throw std::bad_alloc();
    for (int64_t q = 0; q < search.query_count; q++) {
        auto& found = all[q];
        auto count = std::min<int64_t>(search.most, static_cast<int64_t>(found.size()));
        std::partial_sort(found.begin(), found.begin() + count, found.end(), before);
        for (int64_t i = 0; i < count; i++) {
            search.scores[q * search.most + i] = found[i].score;
            search.rows[q * search.most + i] = found[i].row;
        }
        search.found[q] = count;
    }
}

// Whether a row's bit is set, in the form in which a graph asks which of its rows may be found.
int row_is_allowed(uint64_t row, void* allowed) { return is_allowed(static_cast<const uint64_t*>(allowed), static_cast<int64_t>(row)); }

}  // namespace
}  // namespace tessera

using namespace tessera;

TESSERA_API int32_t tessera_nearest(const Nearest* search) {
    return guarded([&] { nearest(*search); });
}

TESSERA_API int32_t tessera_row_filter(void** function) {
    return guarded([&] { *function = reinterpret_cast<void*>(&row_is_allowed); });
}
