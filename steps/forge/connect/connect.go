// Package connect picks the forge of a repository.
package connect

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/forge/azure"
	"github.com/model-delivery/model-delivery/steps/forge/bitbucket"
	"github.com/model-delivery/model-delivery/steps/forge/gitea"
	"github.com/model-delivery/model-delivery/steps/forge/github"
	"github.com/model-delivery/model-delivery/steps/forge/gitlab"
	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Flags are those that say which repository, on what kind of forge, and who
// asks. Steps that talk to git, to a forge or to both share them.
type Flags struct {
	Repository string
	Provider   string
	ForgeURL   string
	Dirs       git.AuthDirs
	AllowFile  bool
	SSLVerify  bool
	// App is the GitHub App whose token is used; none without an ID.
	AppDir string
}

// Register declares the flags.
func (f *Flags) Register(fs *pflag.FlagSet) {
	fs.StringVar(&f.Repository, "repository", "", "clone URL of the repository")
	fs.StringVar(&f.Provider, "provider", "auto", "kind of forge: "+forge.Providers+" (a git server without pull requests)")
	fs.StringVar(&f.ForgeURL, "forge-url", "", "address of the forge, when it is not that of the clone URL")
	fs.StringVar(&f.Dirs.BasicAuth, "basic-auth-dir", "", "directory with .git-credentials, or with username and password")
	fs.StringVar(&f.Dirs.SSH, "ssh-dir", "", "directory with a private key and known_hosts")
	fs.StringVar(&f.Dirs.CA, "ssl-ca-dir", "", "directory with certificates to trust")
	fs.StringVar(&f.Dirs.CAFile, "crt-file-name", "ca-bundle.crt", "file with certificates in --ssl-ca-dir")
	fs.BoolVar(&f.SSLVerify, "ssl-verify", true, "check the server's certificate")
	fs.StringVar(&f.Dirs.TokenFile, "token-file", "", "file with a token for the forge, for git and for its API")
	fs.StringVar(&f.Dirs.Username, "username", "", "user that the token belongs to, where the forge asks for one")
	fs.StringVar(&f.AppDir, "github-app-dir", "", "directory with app-id, private-key and maybe installation-id of a GitHub App, whose token is then used for git and for the API")
	fs.BoolVar(&f.AllowFile, "allow-file", false, "let the repository be a path of this machine")
}

// Auth reads the credentials for git, or gets them with the GitHub App. Every
// secret is made known to redact.
func (f *Flags) Auth(ctx context.Context, redact *step.Redactor, logf func(string, ...any)) (git.Auth, error) {
	auth, err := f.Dirs.Load(f.Repository, redact)
	if err != nil {
		return auth, err
	}
	auth.InsecureSkipVerify = !f.SSLVerify
	if f.AppDir == "" {
		return auth, nil
	}
	app, err := readApp(f.AppDir)
	if err != nil {
		return auth, err
	}
	redact.Add(string(app.Key))
	repository, provider, err := f.where()
	if err != nil {
		return auth, err
	}
	if provider != forge.GitHub {
		return auth, step.WithHint(step.Invalidf("a GitHub App has no token for %s", repository.Host), "for a GitHub Enterprise server give --provider github")
	}
	httpClient, err := forge.NewHTTPClient(origin(provider, repository), f.options(auth, logf))
	if err != nil {
		return auth, err
	}
	token, err := app.Token(ctx, repository, github.API(repository), httpClient, time.Now())
	if err != nil {
		return auth, err
	}
	redact.Add(token)
	auth.Username, auth.Password = github.AppUser, token
	return auth, nil
}

// readApp reads what a GitHub App is from a directory, as a secret is mounted.
func readApp(dir string) (github.App, error) {
	var app github.App
	id, err := os.ReadFile(filepath.Join(dir, "app-id"))
	if err == nil {
		app.ID = strings.TrimSpace(string(id))
		app.Key, err = os.ReadFile(filepath.Join(dir, "private-key"))
	}
	if err != nil {
		return app, step.WithHint(step.Invalidf("reading the GitHub App: %w", err), "the directory has the files app-id and private-key, and maybe installation-id")
	}
	text, err := os.ReadFile(filepath.Join(dir, "installation-id"))
	if errors.Is(err, os.ErrNotExist) {
		return app, nil
	}
	if err == nil {
		app.Installation, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	}
	if err != nil {
		return app, step.Invalidf("reading the GitHub App's installation: %w", err)
	}
	return app, nil
}

// Forge returns the repository's forge, nil for provider none.
func (f *Flags) Forge(_ context.Context, auth git.Auth, logf func(string, ...any)) (forge.Forge, error) {
	if forge.Provider(f.Provider) == forge.None {
		return nil, nil
	}
	repository, provider, err := f.where()
	if err != nil {
		return nil, err
	}
	return New(provider, repository, forge.Credentials{Username: auth.Username, Token: auth.Password}, f.options(auth, logf))
}

// where tells which repository it is and on what kind of forge.
func (f *Flags) where() (forge.Repository, forge.Provider, error) {
	repository, err := forge.ParseRepository(f.Repository)
	if err != nil {
		return repository, "", err
	}
	if repository, err = repository.At(f.ForgeURL); err != nil {
		return repository, "", err
	}
	provider, err := forge.Resolve(forge.Provider(f.Provider), repository)
	if provider == forge.Azure {
		repository = azure.At(repository)
	}
	return repository, provider, err
}

func (f *Flags) options(auth git.Auth, logf func(string, ...any)) forge.HTTPOptions {
	return forge.HTTPOptions{CAFile: auth.CAFile, InsecureSkipVerify: auth.InsecureSkipVerify, Logf: logf}
}

// origin is the one place that a provider's token goes to.
func origin(provider forge.Provider, repository forge.Repository) string {
	switch {
	case provider == forge.GitHub && repository.Host == "github.com":
		return "https://api.github.com"
	case provider == forge.Bitbucket:
		return bitbucket.API
	}
	return repository.BaseURL()
}

// New returns a repository's forge.
func New(provider forge.Provider, repository forge.Repository, credentials forge.Credentials, o forge.HTTPOptions) (forge.Forge, error) {
	httpClient, err := forge.NewHTTPClient(origin(provider, repository), o)
	if err != nil {
		return nil, err
	}
	return pick(provider, repository, credentials, httpClient)
}

func pick(provider forge.Provider, repository forge.Repository, credentials forge.Credentials, httpClient *http.Client) (forge.Forge, error) {
	switch provider {
	case forge.GitHub:
		return github.New(repository, credentials, github.API(repository), httpClient)
	case forge.GitLab:
		return gitlab.New(repository, credentials, httpClient)
	case forge.Gitea:
		return gitea.New(repository, credentials, httpClient), nil
	case forge.Azure:
		return azure.New(repository, credentials, httpClient)
	case forge.Bitbucket:
		if repository.Host != "bitbucket.org" {
			return nil, step.WithHint(step.Invalidf("%s is not bitbucket.org: Bitbucket's server has another API", repository.Host), "promote with --strategy push and --provider none")
		}
		return bitbucket.New(repository, credentials, bitbucket.API, httpClient), nil
	}
	return nil, step.Invalidf("provider %s has no API", provider)
}
