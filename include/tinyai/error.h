#pragma once

#include <tinyai/detail/common.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What kind of failure it was; the values are the exit codes of the command `tinyai`. */
typedef enum TINYAI_ENUM_TYPE {
    TINYAI_SUCCESS = 0,
    TINYAI_ERROR_OTHER = 1,
    TINYAI_ERROR_USAGE = 2,       /* an argument that cannot be taken */
    TINYAI_ERROR_BAD_FILE = 3,    /* a model file is damaged or makes no sense */
    TINYAI_ERROR_BUDGET = 4,      /* it cannot be done within a memory limit */
    TINYAI_ERROR_IO = 5,          /* reading or writing failed */
    TINYAI_ERROR_UNSUPPORTED = 6, /* right, but this library or machine cannot do it */
    TINYAI_ERROR_SCHEDULE = 7,    /* a schedule is wrong */
    TINYAI_ERROR_OUT_OF_MEMORY = 8,
    TINYAI_ERROR_CANCELLED = 9
} TinyAIErrorCode;

/* Every function of this library sets the calling thread's last error: to success, or to what went
 * wrong. The functions of this header and the destroy functions leave it as it is. */

TINYAI_API TinyAIErrorCode tinyaiGetLastError(void);
/* The error's stable name, such as "ARG_NULL", for a program to branch on; "" after a success. The page
 * docs/errors.md lists them. Never NULL; the text never changes. */
TINYAI_API const char *tinyaiGetLastErrorKey(void);
/* A sentence for a person: what, where, what would do; "" after a success. Never NULL; valid until the
 * calling thread's next call of this library. */
TINYAI_API const char *tinyaiGetErrorMessage(void);
TINYAI_API void tinyaiClearLastError(void);

/* "0.1.0". */
TINYAI_API const char *tinyaiGetVersion(void);

#ifdef __cplusplus
}
#endif
