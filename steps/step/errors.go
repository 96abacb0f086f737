package step

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Exit codes of every step binary.
const (
	ExitDone    = 0
	ExitFailed  = 1
	ExitInvalid = 2
	ExitInfra   = 3
	ExitSIGINT  = 130
	ExitSIGTERM = 143
)

// codedError gives an error the exit code that it stands for.
type codedError struct {
	err  error
	code int
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// hintError adds advice to an error. The hint is printed on a line of its own.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

func coded(err error, code int) error {
	if err == nil {
		return nil
	}
	return &codedError{err: err, code: code}
}

// Failed says that what was checked is wrong: exit code 1.
func Failed(err error) error { return coded(err, ExitFailed) }

// Invalid says that the input is wrong: exit code 2.
func Invalid(err error) error { return coded(err, ExitInvalid) }

// Infra says that the surroundings failed and that a retry may help: exit code 3.
func Infra(err error) error { return coded(err, ExitInfra) }

// Failedf is [Failed] of a formatted error. %w wraps as in [fmt.Errorf].
func Failedf(format string, args ...any) error { return Failed(fmt.Errorf(format, args...)) }

// Invalidf is [Invalid] of a formatted error. %w wraps as in [fmt.Errorf].
func Invalidf(format string, args ...any) error { return Invalid(fmt.Errorf(format, args...)) }

// Infraf is [Infra] of a formatted error. %w wraps as in [fmt.Errorf].
func Infraf(format string, args ...any) error { return Infra(fmt.Errorf(format, args...)) }

// WithExitCode gives err an exit code of its own, for steps that hand on the
// exit code of a command they ran.
func WithExitCode(err error, code int) error { return coded(err, code) }

// WithHint adds what to try next. An outer hint replaces an inner one.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &hintError{err: err, hint: hint}
}

// Hint returns the outermost hint of err, or "".
func Hint(err error) string {
	if h, ok := errors.AsType[*hintError](err); ok {
		return h.hint
	}
	return ""
}

// ExitCode returns the exit code that err stands for: the outermost code
// given, 0 for nil and 3 for an error that nobody classified.
func ExitCode(err error) int {
	if err == nil {
		return ExitDone
	}
	if c, ok := errors.AsType[*codedError](err); ok {
		return c.code
	}
	return ExitInfra
}

// signalCause is the cancellation cause of a context that a signal ended.
type signalCause struct {
	name string
	code int
}

func (s *signalCause) Error() string { return "stopped by " + s.name }

// exitCodeOf is ExitCode, but a step that a signal stopped ends with that
// signal's code, whatever the step made of the cancellation.
func exitCodeOf(ctx context.Context, err error) int {
	if err == nil {
		return ExitDone
	}
	if s, ok := errors.AsType[*signalCause](context.Cause(ctx)); ok {
		return s.code
	}
	return ExitCode(err)
}

// message formats err and its hint for a person.
func message(ctx context.Context, err error) string {
	text := strings.TrimRight(err.Error(), "\n")
	if cause := context.Cause(ctx); cause != nil && !strings.Contains(text, cause.Error()) {
		text += " (" + cause.Error() + ")"
	}
	out := "error: " + text + "\n"
	if hint := Hint(err); hint != "" {
		out += "hint: " + hint + "\n"
	}
	return out
}
