package report_test

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict/metrics"
	"github.com/model-delivery/model-delivery/steps/predict/report"
)

// hostile is text as a model, or the name of a check, may have it.
const hostile = "a|b `c` **d** <img src=x onerror=alert(1)> @everyone #1 https://evil.example ]]> \x00\x1b[31m ``` end"

// sample has one check of each outcome, with hostile texts.
func sample() *report.Report {
	var l metrics.Latencies
	for i := range 200 {
		l.Add(time.Duration(i*i) * time.Microsecond)
	}
	accuracy := 0.75
	r := &report.Report{File: "integration/predictions.yaml", Digest: "sha256:1", Started: time.Unix(1700000000, 0), Seconds: 2.5, Accuracy: &accuracy}
	add := func(name string, stages ...report.Stage) *report.Check {
		c := report.Check{Name: name, Kind: "request", Line: 4, Summary: "status 200"}
		for _, stage := range stages {
			c.Findings = append(c.Findings, report.Finding{Stage: stage, Message: hostile, Expected: hostile, Got: hostile})
		}
		c.Settle()
		r.Checks = append(r.Checks, c)
		return &r.Checks[len(r.Checks)-1]
	}
	add("right")
	c := add(hostile, report.Value)
	c.Answer, c.Replay, c.Flakes = hostile, "curl 'http://x'", []string{"connection refused"}
	add("gone", report.Transport)
	add("late", report.NotReady)
	skipped := add("skipped")
	skipped.Outcome = report.Skipped
	set := add("set", report.Value, report.SLO)
	set.Latency = report.NewLatency(&l)
	set.Dataset = &report.Dataset{
		Rows: 4, Accuracy: &accuracy, Points: [][2]float64{{1, 1}, {2, 3}},
		Confusion: &report.Confusion{Names: []string{hostile, "b"}, Counts: [][]int{{2, 0}, {1, 1}}}, Wrong: []report.WrongRow{{Line: 2, Input: hostile, Expected: "b", Got: hostile}},
	}
	compared := add("compared", report.Value)
	compared.Compare = &report.Compare{Rows: 3, Baseline: set.Latency, Candidate: set.Latency, Points: [][2]float64{{0, 0}}, Movers: []report.Mover{{Input: hostile}}}
	r.Close()
	return r
}

func TestOutcome(t *testing.T) {
	t.Parallel()
	r := sample()
	if r.Outcome != report.NotReady || r.Passed != 1 || r.Failed != 5 || r.Skipped != 1 || r.Flakes != 1 {
		t.Errorf("outcome %s, %d passed, %d failed, %d skipped, %d flakes", r.Outcome, r.Passed, r.Failed, r.Skipped, r.Flakes)
	}
}

func TestJUnit(t *testing.T) {
	t.Parallel()
	data := sample().JUnit()
	var got struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Skipped  int `xml:"skipped,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Type    string `xml:"type,attr"`
				Message string `xml:"message,attr"`
				Text    string `xml:",chardata"`
			} `xml:"failure"`
			Output string `xml:"system-out"`
		} `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal(data, &got); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	if got.Tests != 7 || got.Failures != 3 || got.Errors != 2 || got.Skipped != 1 || len(got.Cases) != 7 {
		t.Errorf("%+v", got)
	}
	c := got.Cases[1]
	if c.Failure == nil || c.Failure.Type != "value" || !strings.Contains(c.Failure.Message, "<img") || !strings.Contains(c.Failure.Text, "replay: curl") || !strings.Contains(c.Output, "repeated after: connection refused") {
		t.Errorf("%+v", c)
	}
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	text := sample().Markdown()
	outside := regexp.MustCompile("(?s)```.*?\n```+\n").ReplaceAllString(text, "")
	for _, bad := range []string{"<img", "@everyone", "#1 ", "https://evil", "**d**", "\x00", "\x1b"} {
		if strings.Contains(outside, bad) {
			t.Errorf("%q is in the text as it came:\n%s", bad, outside)
		}
	}
	for _, want := range []string{"**Predictions: not-ready**, 1 of 7 checks passed, 1 skipped, accuracy 0.75", "| value | a\\|b", "<details><summary>gone</summary>"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the text:\n%s", want, text)
		}
	}
}

// TestMarkdownFits: however much is wrong, the text fits into a comment.
func TestMarkdownFits(t *testing.T) {
	t.Parallel()
	r := &report.Report{}
	long, longer := strings.Repeat("*<", 5000), strings.Repeat("ö", 20000)
	for i := range 500 {
		c := report.Check{Name: fmt.Sprintf("check %d %s", i, long), Answer: strings.Repeat("`", 5000), Replay: longer}
		for range 100 {
			c.Findings = append(c.Findings, report.Finding{Stage: report.Value, Message: long})
		}
		c.Settle()
		r.Checks = append(r.Checks, c)
	}
	r.Close()
	if text := r.Markdown(); len(text) > 40_000 || !strings.Contains(text, "more checks are in the report") || !strings.Contains(text, "more failed checks are explained") {
		t.Errorf("the text has %d bytes", len(text))
	}
}

func TestHTML(t *testing.T) {
	t.Parallel()
	text, err := sample().HTML()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<img", "<script", "src=\"", "url(", "@import", "<link", "ZgotmplZ"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q is in the page", bad)
		}
	}
	if n := strings.Count(text, "<svg"); n != 5 {
		t.Errorf("%d plots are in the page", n)
	}
	for _, svg := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(text, -1) {
		if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil {
			t.Errorf("a plot is not well-formed: %v: %s", err, svg)
		}
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("a plot has coordinates that are no numbers: %s", svg)
		}
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := sample().Write(dir, func(text string) string { return strings.ReplaceAll(text, "curl", "[redacted]") }); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"report.json", "junit.xml", "report.md", "report.html"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || len(data) < 500 || strings.Contains(string(data), "curl") {
			t.Errorf("%s: %d bytes, error %v", name, len(data), err)
		}
	}
}
