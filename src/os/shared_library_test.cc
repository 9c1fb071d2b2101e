#include "os/shared_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tinyai {
namespace {

TEST(SharedLibrary, FunctionsOfALoadedLibraryCanBeCalled) {
  const Result<SharedLibrary> library = SharedLibrary::Open("libm.so.6");
  ASSERT_TRUE(library) << library.error().message;
  const Result<void*> found = library->Find("fabs");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(reinterpret_cast<double (*)(double)>(*found)(-2.5), 2.5);
}

TEST(SharedLibrary, WhatIsMissingIsNamed) {
  const Result<SharedLibrary> library = SharedLibrary::Open("libtinyai_no_such_part.so");
  ASSERT_FALSE(library);
  EXPECT_EQ(library.error().key, "LIBRARY_MISSING");
  EXPECT_THAT(library.error().message, testing::HasSubstr("libtinyai_no_such_part.so"));

  const Result<SharedLibrary> present = SharedLibrary::Open("libm.so.6");
  ASSERT_TRUE(present);
  const Result<void*> symbol = present->Find("tinyai_no_such_function");
  ASSERT_FALSE(symbol);
  EXPECT_THAT(symbol.error().message, testing::HasSubstr("tinyai_no_such_function"));
}

TEST(SharedLibrary, AFileIsNotLookedForWhereTheSystemLooks) {
  const Result<SharedLibrary> library = SharedLibrary::OpenFile("libm.so.6");
  ASSERT_FALSE(library);
  EXPECT_THAT(library.error().message, testing::HasSubstr("./libm.so.6"));
}

}  // namespace
}  // namespace tinyai
