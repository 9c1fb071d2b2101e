#include "base/small_vector.h"

#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace tinyai {
namespace {

using Small = SmallVector<uint32_t, 3>;

std::vector<uint32_t> Items(const Small& list) { return {list.begin(), list.end()}; }

TEST(SmallVector, DoesWhatAVectorDoes) {
  std::mt19937 random(1);
  for (int run = 0; run < 200; ++run) {
    Small list;
    std::vector<uint32_t> vector;
    for (int step = 0; step < 40; ++step) {
      const uint32_t item = random() % 100;
      const auto at = static_cast<std::ptrdiff_t>(random() % (vector.size() + 1));
      switch (random() % 8) {
        case 0:
        case 1:
          list.push_back(item);
          vector.push_back(item);
          break;
        case 2:
          EXPECT_EQ(*list.insert(list.begin() + at, item), item);
          vector.insert(vector.begin() + at, item);
          break;
        case 3:
          if (vector.empty()) break;
          list.erase(list.begin() + at % std::ssize(vector));
          vector.erase(vector.begin() + at % std::ssize(vector));
          break;
        case 4:
          list.erase(list.begin() + at, list.end());
          vector.erase(vector.begin() + at, vector.end());
          break;
        case 5:
          list.resize(item % 8);
          vector.resize(item % 8);
          break;
        case 6:
          list.reserve(item % 16);
          break;
        case 7:
          if (vector.empty()) break;
          list.pop_back();
          vector.pop_back();
          break;
      }
      ASSERT_EQ(Items(list), vector);
    }
    EXPECT_EQ(list == Small(std::span<const uint32_t>(vector)), true);
  }
}

TEST(SmallVector, CopiesAndMovesShortAndLongLists) {
  for (const Small& list : {Small{}, Small{1, 2, 3}, Small{1, 2, 3, 4, 5}}) {
    for (const Small& before : {Small{}, Small{9}, Small{6, 7, 8, 9, 10, 11}}) {
      Small copied = before, moved = before, from = list;
      copied = list;
      EXPECT_EQ(copied, list);
      moved = std::move(from);
      EXPECT_EQ(moved, list);
      EXPECT_TRUE(from.empty());  // NOLINT: it says so
      from.push_back(4);
      EXPECT_EQ(Items(from), std::vector<uint32_t>{4});
      EXPECT_EQ(Small(std::move(moved)), list);
    }
  }
}

TEST(SmallVector, AnItemOfItsOwnMayBeAdded) {
  Small list = {7, 8, 9};
  for (int i = 0; i < 20; ++i) list.push_back(list.front());
  EXPECT_EQ(list.back(), 7u);
  Small& same = list;
  list = same;
  EXPECT_EQ(list.size(), 23u);
}

}  // namespace
}  // namespace tinyai
