package git_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/git"
)

func TestCheckRemote(t *testing.T) {
	t.Parallel()
	for remote, ok := range map[string]bool{
		"https://host/a/b.git":                   true,
		"http://host:3000/a/b":                   true,
		"ssh://git@host:22/a/b":                  true,
		"git@host:a/b.git":                       true,
		"host:a/b":                               true,
		"https://organization@dev.azure.com/a/b": true,
		"/a/path":                                false,
		"file:///a/path":                         false,
		"":                                       false,
		"--upload-pack=x":                        false,
		"ext::sh -c x":                           false,
		"ext://sh -c x":                          false,
		"fd::17":                                 false,
		"https://":                               false,
		"https://user:secret@host/a":             false,
		"https://ghp_secret@host/a":              false,
		"https://host/a\nb":                      false,
	} {
		err := git.CheckRemote(remote, false)
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", remote, err)
		}
	}
	for _, path := range []string{"/a/path", "file:///a/path"} {
		if err := git.CheckRemote(path, true); err != nil {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// FuzzCheckRemote: what is let through starts no program and has no password.
func FuzzCheckRemote(f *testing.F) {
	for _, seed := range []string{"https://host/a.git", "git@host:a/b", "ext::sh", "-x", "ssh://h/\x00", "a:b:c", "https://u:p@h/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, remote string) {
		if git.CheckRemote(remote, false) != nil {
			return
		}
		// Git takes what is before "::" for the name of a program.
		_, rest, _ := strings.Cut(remote, ":")
		if strings.HasPrefix(remote, "-") || strings.HasPrefix(rest, ":") || strings.ContainsAny(remote, "\n\r\x00") {
			t.Errorf("%q is let through", remote)
		}
		if u, err := url.Parse(remote); err == nil && u.Host != "" {
			if _, set := u.User.Password(); set {
				t.Errorf("%q is let through with a password", remote)
			}
		}
	})
}
