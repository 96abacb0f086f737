package report

import (
	"bytes"
	"encoding/xml"
	"strconv"
	"strings"
	"time"
)

type junitCase struct {
	name, className string
	line            int
	seconds         float64
	failure         *junitProblem
	error           *junitProblem
	skipped         *junitProblem
	output          string
}

type junitProblem struct{ kind, message, text string }

// JUnit is the report as JUnit's XML: a check that got a wrong answer is a
// failure, one that got none is an error.
func (r *Report) JUnit() []byte {
	cases := make([]junitCase, len(r.Checks))
	failures, errors := 0, 0
	for i := range r.Checks {
		cases[i] = r.junitCase(&r.Checks[i])
		if cases[i].failure != nil {
			failures++
		}
		if cases[i].error != nil {
			errors++
		}
	}
	w := &junitWriter{}
	counts := func() {
		w.attr("tests", strconv.Itoa(len(cases)))
		w.attr("failures", strconv.Itoa(failures))
		w.attr("errors", strconv.Itoa(errors))
		w.attr("skipped", strconv.Itoa(r.Skipped))
		w.attr("time", seconds(r.Seconds))
	}
	w.WriteString(xml.Header + "<testsuites")
	counts()
	w.WriteString(">\n  <testsuite")
	w.attr("name", r.File)
	counts()
	w.attr("timestamp", r.Started.UTC().Format(time.RFC3339))
	w.WriteString(">\n    <properties>\n")
	properties := [][2]string{{"digest", r.Digest}, {"outcome", string(r.Outcome)}, {"flakes", strconv.Itoa(r.Flakes)}}
	for _, note := range r.Notes {
		properties = append(properties, [2]string{"note", note})
	}
	for _, property := range properties {
		w.WriteString("      <property")
		w.attr("name", property[0])
		w.attr("value", property[1])
		w.WriteString("></property>\n")
	}
	w.WriteString("    </properties>\n")
	for i := range cases {
		w.testCase(r.File, &cases[i])
	}
	w.WriteString("  </testsuite>\n</testsuites>\n")
	return w.Bytes()
}

// junitWriter writes XML. encoding/xml would take most of the time of a report of
// thousands of checks.
type junitWriter struct{ bytes.Buffer }

func (w *junitWriter) attr(name, value string) {
	w.WriteString(" " + name + `="`)
	w.text(value)
	w.WriteByte('"')
}

func (w *junitWriter) text(value string) {
	_ = xml.EscapeText(&w.Buffer, []byte(value)) // a buffer takes all
}

func (w *junitWriter) testCase(file string, c *junitCase) {
	w.WriteString("    <testcase")
	w.attr("name", c.name)
	w.attr("classname", c.className)
	w.attr("file", file)
	w.attr("line", strconv.Itoa(c.line))
	w.attr("time", seconds(c.seconds))
	w.WriteString(">\n")
	w.problem("failure", c.failure)
	w.problem("error", c.error)
	w.problem("skipped", c.skipped)
	if c.output != "" {
		w.WriteString("      <system-out>")
		w.text(c.output)
		w.WriteString("</system-out>\n")
	}
	w.WriteString("    </testcase>\n")
}

func (w *junitWriter) problem(name string, p *junitProblem) {
	if p == nil {
		return
	}
	w.WriteString("      <" + name)
	if p.kind != "" {
		w.attr("type", p.kind)
	}
	w.attr("message", p.message)
	w.WriteByte('>')
	w.text(p.text)
	w.WriteString("</" + name + ">\n")
}

func seconds(s float64) string { return strconv.FormatFloat(s, 'f', 3, 64) }

func (r *Report) junitCase(c *Check) junitCase {
	out := junitCase{name: c.Name, className: "predictions." + c.Kind, line: c.Line, seconds: c.Seconds}
	if c.Target != "" {
		out.className = "predictions." + c.Target + "." + c.Kind
	}
	lines := []string{c.Summary}
	for _, why := range c.Flakes {
		lines = append(lines, "repeated after: "+why)
	}
	out.output = strings.TrimSpace(strings.Join(lines, "\n"))
	switch c.Outcome {
	case Passed:
	case Skipped:
		out.skipped = &junitProblem{message: c.Summary}
	case NotReady, Transport:
		out.error = c.junitProblem()
	default:
		out.failure = c.junitProblem()
	}
	return out
}

func (c *Check) junitProblem() *junitProblem {
	p := &junitProblem{kind: string(c.Outcome)}
	var lines []string
	for _, f := range c.Findings {
		if p.message == "" && f.Stage == c.Outcome {
			p.message = f.Text()
		}
		lines = append(lines, string(f.Stage)+": "+f.Text())
	}
	lines = append(lines, c.Examples()...)
	if c.Answer != "" {
		lines = append(lines, "answer: "+c.Answer)
	}
	if c.Replay != "" {
		lines = append(lines, "replay: "+c.Replay)
	}
	p.text = strings.Join(lines, "\n")
	return p
}
