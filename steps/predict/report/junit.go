package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

type junitSuites struct {
	XMLName  xml.Name   `xml:"testsuites"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Skipped  int        `xml:"skipped,attr"`
	Time     string     `xml:"time,attr"`
	Suite    junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	ClassName string        `xml:"classname,attr"`
	File      string        `xml:"file,attr"`
	Line      int           `xml:"line,attr"`
	Time      string        `xml:"time,attr"`
	Failure   *junitProblem `xml:"failure"`
	Error     *junitProblem `xml:"error"`
	Skipped   *junitProblem `xml:"skipped"`
	Output    string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Type    string `xml:"type,attr,omitempty"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit is the report as JUnit's XML: a check that got a wrong answer is a
// failure, one that got none is an error.
func (r *Report) JUnit() ([]byte, error) {
	suite := junitSuite{
		Name: r.File, Tests: len(r.Checks), Skipped: r.Skipped, Time: seconds(r.Seconds), Timestamp: r.Started.UTC().Format(time.RFC3339),
		Properties: []junitProperty{{"digest", r.Digest}, {"outcome", string(r.Outcome)}, {"flakes", fmt.Sprint(r.Flakes)}},
	}
	for i := range r.Checks {
		c := r.junitCase(&r.Checks[i])
		if c.Failure != nil {
			suite.Failures++
		}
		if c.Error != nil {
			suite.Errors++
		}
		suite.Cases = append(suite.Cases, c)
	}
	all := junitSuites{Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Skipped: suite.Skipped, Time: suite.Time, Suite: suite}
	var out bytes.Buffer
	out.WriteString(xml.Header)
	enc := xml.NewEncoder(&out)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return nil, fmt.Errorf("encode junit.xml: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

func (r *Report) junitCase(c *Check) junitCase {
	out := junitCase{Name: c.Name, ClassName: "predictions." + c.Kind, File: r.File, Line: c.Line, Time: seconds(c.Seconds)}
	if c.Target != "" {
		out.ClassName = "predictions." + c.Target + "." + c.Kind
	}
	lines := []string{c.Summary}
	for _, why := range c.Flakes {
		lines = append(lines, "repeated after: "+why)
	}
	out.Output = strings.TrimSpace(strings.Join(lines, "\n"))
	switch c.Outcome {
	case Passed:
	case Skipped:
		out.Skipped = &junitProblem{Message: c.Summary}
	case NotReady, Transport:
		out.Error = c.junitProblem()
	default:
		out.Failure = c.junitProblem()
	}
	return out
}

func (c *Check) junitProblem() *junitProblem {
	p := &junitProblem{Type: string(c.Outcome)}
	var lines []string
	for _, f := range c.Findings {
		if p.Message == "" && f.Stage == c.Outcome {
			p.Message = f.Message
		}
		lines = append(lines, string(f.Stage)+": "+f.Message)
	}
	if c.Answer != "" {
		lines = append(lines, "answer: "+c.Answer)
	}
	if c.Replay != "" {
		lines = append(lines, "replay: "+c.Replay)
	}
	p.Text = strings.Join(lines, "\n")
	return p
}
