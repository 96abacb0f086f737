package checks

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong in a file.
type Problem struct {
	File         string
	Line, Column int // 0: the file as a whole
	Where        string
	What         string
}

func (p Problem) String() string {
	at := p.File
	if p.Line > 0 {
		at += fmt.Sprintf(":%d:%d", p.Line, p.Column)
	}
	if p.Where != "" {
		at += ": " + p.Where
	}
	return at + ": " + p.What
}

// Problems are all that is wrong in a file.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// maxProblems bounds what is reported of one file.
const maxProblems = 100

func cut(s string, n int) string {
	if len([]rune(s)) <= n {
		return s
	}
	return string([]rune(s)[:n]) + "…"
}

// suggestion names the known word that is nearest to a wrong one.
func suggestion(wrong string, known []string) string {
	best, at := 3, ""
	for _, word := range known {
		if d := distance(strings.ToLower(wrong), strings.ToLower(word)); d < best && d < len(word) {
			best, at = d, word
		}
	}
	if at != "" {
		return "; did you mean " + at + "?"
	}
	return "; known are " + strings.Join(known, ", ")
}

// distance is how many letters have to change to make b of a.
func distance(a, b string) int {
	if len(a) > 64 {
		return 99
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := row[j+1]
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last+cost, next+1, row[j]+1)
			last = next
		}
	}
	return row[len(b)]
}
