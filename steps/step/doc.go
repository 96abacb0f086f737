// Package step holds what every step binary shares: how flags, environment
// and defaults are bound, how results are handed over, which exit code an
// error stands for, and how secrets are kept out of everything printed.
//
// A step is described by a [Command]. [Main] runs it as a process does, and
// [Execute] runs it in a test with its own arguments, environment and output.
//
// Exit codes:
//
//	0    done
//	1    what was checked is wrong (a test, a prediction, a rollout)
//	2    the input is wrong (flag, file, manifest)
//	3    the surroundings failed (docker, network, forge, cluster); a retry may help
//	130  stopped by SIGINT
//	143  stopped by SIGTERM
package step
