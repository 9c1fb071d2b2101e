#pragma once

namespace tinyai {

// From now on SIGINT, SIGTERM and SIGHUP only set a flag (a second SIGINT ends the process at once
// with exit code 130), and SIGPIPE and SIGXFSZ are ignored. For the command: a library leaves
// signals alone.
void CatchStopSignals();

// The first of these signals that arrived, 0 before. The exit code for it is 128 + its number.
int StopSignal();

}  // namespace tinyai
