package forge

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"
)

type notes struct {
	comments []Comment
	refuse   map[int64]bool
}

func (n *notes) Limits() Limits { return Limits{Comment: 300} }

func (n *notes) Comments(context.Context, int64) ([]Comment, error) { return n.comments, nil }

func (n *notes) AddComment(_ context.Context, _ int64, body string) error {
	n.comments = append(n.comments, Comment{ID: int64(len(n.comments) + 1), Body: body})
	return nil
}

func (n *notes) EditComment(_ context.Context, _, id int64, body string) error {
	if n.refuse[id] {
		return Explain("changing", 403, ErrUnsupported)
	}
	n.comments[id-1].Body = body
	return nil
}

func TestKeepComment(t *testing.T) {
	t.Parallel()
	n := &notes{refuse: map[int64]bool{}}
	say := func(key, body string) {
		t.Helper()
		if err := KeepComment(t.Context(), n, 1, key, body); err != nil {
			t.Fatal(err)
		}
	}
	say("run) a", "first")
	say("b", "other")
	say("run) a", "second")
	if len(n.comments) != 2 || !strings.HasSuffix(n.comments[0].Body, "\nsecond") || !strings.HasSuffix(n.comments[1].Body, "other") {
		t.Errorf("%+v", n.comments)
	}
	// Somebody else's comment with our mark is left.
	n.refuse[1] = true
	say("run) a", "third")
	if len(n.comments) != 3 || !strings.HasSuffix(n.comments[2].Body, "third") {
		t.Errorf("%+v", n.comments)
	}
	say("long", strings.Repeat("word\n", 500))
	if got := utf8.RuneCountInString(n.comments[3].Body); got > 300 {
		t.Errorf("%d characters", got)
	}
}

func FuzzCutBlock(f *testing.F) {
	f.Add("# a\n```diff\n+x\n```\n", 30)
	f.Add(strings.Repeat("````\nä", 50), 100)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		if limit < 100 || limit > 1<<16 || !utf8.ValidString(text) {
			return
		}
		got := CutBlock(text, limit)
		if n := utf8.RuneCountInString(got); n > limit {
			t.Errorf("%d characters, want at most %d", n, limit)
		}
		if utf8.RuneCountInString(text) <= limit && got != text {
			t.Error("cut although it fits")
		}
	})
}

func TestRepositories(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"https://github.com/o/r.git":        "https://github.com o/r github",
		"https://GitHub.com/o/r":            "https://github.com o/r github",
		"git@gitlab.com:group/sub/r.git":    "https://gitlab.com group/sub/r gitlab",
		"ssh://git@codeberg.org:22/o/r":     "https://codeberg.org o/r gitea",
		"http://gitea.local:3000/o/r.git":   "http://gitea.local:3000 o/r ",
		"https://github.evil.example/o/r":   "https://github.evil.example o/r ",
		"https://evil.example/github.com/r": "https://evil.example github.com/r ",
		"https://host/o/../r":               "",
		"https://host/o%2fr/x%3Fy":          "",
		"https://host/r":                    "",
		"/a/path":                           "",
		"":                                  "",
	} {
		r, err := ParseRepository(remote)
		if err != nil {
			if want != "" {
				t.Errorf("%s: %v", remote, err)
			}
			continue
		}
		provider, _ := Resolve(Auto, r)
		if got := r.BaseURL() + " " + r.FullName() + " " + string(provider); got != want {
			t.Errorf("%s: %q, want %q", remote, got, want)
		}
	}
}

// FuzzParseRepository: what is read makes no other path of a request.
func FuzzParseRepository(f *testing.F) {
	for _, seed := range []string{"https://h/o/r", "git@h:o/r.git", "https://h/a/../b", "ssh://h:1/x/y", "https://u:p@h/a/b?c#d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, remote string) {
		r, err := ParseRepository(remote)
		if err != nil {
			return
		}
		for part := range strings.SplitSeq(r.FullName(), "/") {
			if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "?#%\\\n") {
				t.Errorf("%q: %+v", remote, r)
			}
		}
		if strings.ContainsAny(r.Host, "/@") && !strings.Contains(r.Host, "[") {
			t.Errorf("%q: host %q", remote, r.Host)
		}
	})
}
