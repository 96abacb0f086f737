package forge

import (
	"net/url"
	"strings"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Provider names a kind of forge.
type Provider string

// The providers. None is a git server without pull requests and statuses.
const (
	Auto      Provider = "auto"
	GitHub    Provider = "github"
	GitLab    Provider = "gitlab"
	Gitea     Provider = "gitea"
	Bitbucket Provider = "bitbucket"
	Azure     Provider = "azure"
	None      Provider = "none"
)

// Providers lists those that can be asked for, for help texts.
const Providers = "auto, github, gitlab, gitea, bitbucket, azure, none"

// hosts are the public sites whose kind is known. Nothing is guessed from a
// part of a host's name: a token would follow the guess.
var hosts = map[string]Provider{
	"github.com": GitHub, "gitlab.com": GitLab, "gitea.com": Gitea, "codeberg.org": Gitea,
	"bitbucket.org": Bitbucket, "dev.azure.com": Azure, "ssh.dev.azure.com": Azure,
}

// Repository is where a repository is.
type Repository struct {
	Scheme, Host string // of the forge's pages and API; Host has the port
	Owner, Name  string // Owner may have slashes in it, for groups within groups
}

// ParseRepository reads a clone URL, https://HOST/OWNER/NAME(.git) or
// git@HOST:OWNER/NAME(.git).
func ParseRepository(remote string) (Repository, error) {
	r := Repository{Scheme: "https"}
	var path string
	if u, err := url.Parse(remote); err == nil && u.Host != "" {
		r.Host, path = u.Host, u.Path
		switch u.Scheme {
		case "http":
			r.Scheme = "http"
		case "ssh":
			r.Host = u.Hostname()
		}
	} else if before, after, ok := strings.Cut(remote, ":"); ok && !strings.HasPrefix(remote, "/") {
		_, host, found := strings.Cut(before, "@")
		if !found {
			host = before
		}
		r.Host, path = host, after
	}
	r.Host = strings.ToLower(r.Host)
	path = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	at := strings.LastIndex(path, "/")
	if r.Host == "" || strings.ContainsAny(r.Host, `/\@?#`) || at < 1 || at == len(path)-1 || !plainPath(path) {
		return Repository{}, step.WithHint(step.Invalidf("%q does not name a repository of a forge", remote), "https://HOST/OWNER/NAME.git")
	}
	r.Owner, r.Name = path[:at], path[at+1:]
	return r, nil
}

// plainPath refuses what would change the path of a request to the API.
func plainPath(path string) bool {
	if strings.ContainsAny(path, "?#%\\") {
		return false
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return !strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// At moves the repository's forge to the address of its pages, for a
// repository whose clone URL is by SSH or behind another name. An empty
// address changes nothing.
func (r Repository) At(forgeURL string) (Repository, error) {
	if forgeURL == "" {
		return r, nil
	}
	u, err := url.Parse(forgeURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return r, step.WithHint(step.Invalidf("the forge's URL is not one"), "https://HOST, without user and password")
	}
	r.Scheme, r.Host = u.Scheme, strings.ToLower(u.Host)
	return r, nil
}

// FullName is OWNER/NAME.
func (r Repository) FullName() string { return r.Owner + "/" + r.Name }

// BaseURL is where the forge is.
func (r Repository) BaseURL() string { return r.Scheme + "://" + r.Host }

// Resolve says which provider the host is, when it is left to us.
func Resolve(provider Provider, r Repository) (Provider, error) {
	switch provider {
	case GitHub, GitLab, Gitea, Bitbucket, Azure, None:
		return provider, nil
	case Auto, "":
		if known, ok := hosts[r.Host]; ok {
			return known, nil
		}
		return "", step.WithHint(step.Invalidf("the kind of forge at %s is not known", r.Host), "name it with --provider: one of "+Providers)
	}
	return "", step.WithHint(step.Invalidf("unknown provider %q", provider), "one of "+Providers)
}
