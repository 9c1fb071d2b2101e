#pragma once

namespace tinyai {

// e^x for x <= 0 from additions, multiplications and scaling alone, so that every machine gives the
// same bits (a library's exp does not promise that); relative error below 1e-15. 0 below -745.
double ExpOfNegative(double x);

}  // namespace tinyai
