package predict

import (
	"fmt"
	"io"
	"strings"

	"github.com/model-delivery/model-delivery/steps/predict/report"
)

// printCheck prints one check: a line when it passed, all that is known when
// it did not.
func printCheck(out io.Writer, c *report.Check) {
	name := c.Name
	if c.Target != "" {
		name += " (" + c.Target + ")"
	}
	mark := "FAIL"
	switch c.Outcome {
	case report.Passed:
		mark = "ok  "
	case report.Skipped:
		mark = "skip"
	}
	line := mark + " " + name
	if c.Summary != "" {
		line += ": " + c.Summary
	}
	fmt.Fprintln(out, printable(line))
	for _, f := range c.Findings {
		fmt.Fprintf(out, "     %s: %s\n", f.Stage, printable(f.Text()))
	}
	for _, row := range c.Examples() {
		fmt.Fprintf(out, "     %s\n", printable(row))
	}
	for _, why := range c.Flakes {
		fmt.Fprintf(out, "     repeated after: %s\n", printable(why))
	}
	if c.Replay != "" {
		fmt.Fprintf(out, "     replay: %s\n", c.Replay)
	}
}

// printedLines is how much of each log is printed; the report has more.
const printedLines = 15

// printLogs prints the ends of the model's logs.
func printLogs(out io.Writer, logs []report.Log) {
	for _, log := range logs {
		lines := strings.Split(strings.TrimRight(log.Text, "\n"), "\n")
		fmt.Fprintf(out, "the end of the log of container %s of pod %s:\n", log.Container, log.Pod)
		for _, line := range lines[max(0, len(lines)-printedLines):] {
			fmt.Fprintf(out, "     %s\n", printable(line))
		}
	}
}

// printable takes characters that would steer a terminal, or turn around the order
// in which it shows text, out of a line that a model may have had a say in.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if report.Steers(r) && r != '\t' {
			return '\ufffd'
		}
		return r
	}, line)
}

// shownError is an error whose lines are printable.
type shownError struct{ err error }

func (e *shownError) Error() string {
	lines := strings.Split(e.err.Error(), "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n")
}

func (e *shownError) Unwrap() error { return e.err }

// printableError is an error that a model may have had a say in, as it is printed.
func printableError(err error) error {
	if err == nil {
		return nil
	}
	return &shownError{err}
}
