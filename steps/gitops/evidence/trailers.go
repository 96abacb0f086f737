// Package evidence says what a promotion is: in the trailers of its commit, for
// programs, and in the body of its pull request, for who approves it.
package evidence

import (
	"fmt"
	"regexp"
	"strings"
)

// Trailers of a promotion's commit.
const (
	TrailerPromotion        = "Promotion" // ENVIRONMENT TREE, see Tree
	TrailerModel            = "Model"
	TrailerSourceCommit     = "Source-Commit"
	TrailerSourceRepository = "Source-Repository"
	TrailerImage            = "Image" // one for each
	TrailerVersion          = "Version"
	TrailerRun              = "Pipeline-Run"
	TrailerReverts          = "Reverts" // full hash of the promotion taken back
)

// Promotion is what there is to say about one.
type Promotion struct {
	Model, Environment string
	Images             []string // references with digests
	SourceRepository   string   // URL; may be empty
	SourceCommit       string   // full hash; may be empty
	Version            string   // may be empty
	PipelineRun        string   // name of the run; may be empty
	RunURL             string   // page of the run; may be empty
	Title              string   // empty: one is made
	Reverts            string   // full hash of a promotion that this one takes back
	Markdown           []string // what was tested, from files
	Results            []Result // what was tested, read from reports
	Phases             []Phase  // of the run
	Changelog          []string // subjects of the commits since the last promotion
}

// Phase is one part of the run and its outcome.
type Phase struct{ Name, Outcome string }

// Line keeps text on one line, so that it cannot become a trailer or a row of
// its own.
func Line(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return r <= ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029
	}), " ")
}

// Subject is the first line of the commit and the title of the pull request.
func (p Promotion) Subject() string {
	if title := Line(p.Title); title != "" {
		return title
	}
	verb := "Promote"
	if p.Reverts != "" {
		verb = "Revert"
	}
	subject := fmt.Sprintf("%s %s to %s", verb, p.Model, p.Environment)
	if p.Reverts != "" {
		subject = fmt.Sprintf("%s the promotion of %s to %s", verb, p.Model, p.Environment)
	}
	switch {
	case p.Version != "":
		subject += " " + p.Version
	case p.SourceCommit != "":
		subject += fmt.Sprintf(" (%.12s)", p.SourceCommit)
	}
	return Line(subject)
}

// Commit is the commit's message with its trailers. tree is the ID of the
// commit's tree: a commit that has it still is as a promotion made it.
func (p Promotion) Commit(tree string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n\n", p.Subject())
	if p.Reverts != "" {
		fmt.Fprintf(&out, "This reverts commit %s.\n\n", p.Reverts)
	}
	trailer := func(key, value string) {
		if value = Line(value); value != "" {
			fmt.Fprintf(&out, "%s: %s\n", key, value)
		}
	}
	trailer(TrailerPromotion, p.Environment+" "+tree)
	trailer(TrailerModel, p.Model)
	trailer(TrailerVersion, p.Version)
	trailer(TrailerSourceRepository, p.SourceRepository)
	trailer(TrailerSourceCommit, p.SourceCommit)
	for _, image := range p.Images {
		trailer(TrailerImage, image)
	}
	trailer(TrailerReverts, p.Reverts)
	trailer(TrailerRun, p.PipelineRun)
	return out.String()
}

// Trailers reads the trailers of a commit's message: of its last paragraph.
func Trailers(message string) map[string][]string {
	trailers := map[string][]string{}
	message = strings.TrimSpace(strings.ReplaceAll(message, "\r\n", "\n"))
	at := strings.LastIndex(message, "\n\n")
	if at < 0 {
		return trailers
	}
	for line := range strings.Lines(message[at+2:]) {
		key, value, ok := strings.Cut(line, ":")
		if ok && trailerKey.MatchString(key) {
			trailers[key] = append(trailers[key], strings.TrimSpace(value))
		}
	}
	return trailers
}

var trailerKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)

// Made tells whether a commit with this message and tree is a promotion to
// the environment as gitops-promote made it, and not one that somebody changed
// or put on top.
func Made(message, tree, environment string) bool {
	for _, value := range Trailers(message)[TrailerPromotion] {
		if value == environment+" "+tree {
			return true
		}
	}
	return false
}

// SameBut tells whether two messages say the same but for which run says it.
func SameBut(a, b string) bool {
	clean := func(text string) string {
		var out strings.Builder
		for line := range strings.Lines(strings.TrimSpace(text) + "\n") {
			if !strings.HasPrefix(line, TrailerRun+":") {
				out.WriteString(line)
			}
		}
		return strings.TrimSpace(out.String())
	}
	return clean(a) == clean(b)
}

// TagMessage is what the tag of a version says: the version, and what is new.
func (p Promotion) TagMessage() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s\n", Line(p.Model), Line(p.Version))
	for _, subject := range p.Changelog {
		fmt.Fprintf(&out, "\n- %s", Line(subject))
	}
	return strings.TrimSpace(out.String()) + "\n"
}
