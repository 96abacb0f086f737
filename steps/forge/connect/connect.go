// Package connect picks the forge of a repository.
package connect

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/forge/gitea"
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
	fs.BoolVar(&f.AllowFile, "allow-file", false, "let the repository be a path of this machine")
}

// Auth reads the credentials for git. Every secret is made known to redact.
func (f *Flags) Auth(_ context.Context, redact *step.Redactor, _ func(string, ...any)) (git.Auth, error) {
	auth, err := f.Dirs.Load(f.Repository, redact)
	auth.InsecureSkipVerify = !f.SSLVerify
	return auth, err
}

// Forge returns the repository's forge, nil for provider none.
func (f *Flags) Forge(ctx context.Context, auth git.Auth, logf func(string, ...any)) (forge.Forge, error) {
	if forge.Provider(f.Provider) == forge.None {
		return nil, nil
	}
	repository, err := forge.ParseRepository(f.Repository)
	if err != nil {
		return nil, err
	}
	if repository, err = repository.At(f.ForgeURL); err != nil {
		return nil, err
	}
	provider, err := forge.Resolve(forge.Provider(f.Provider), repository)
	if err != nil {
		return nil, err
	}
	options := forge.HTTPOptions{CAFile: auth.CAFile, InsecureSkipVerify: auth.InsecureSkipVerify, Logf: logf}
	return New(ctx, provider, repository, forge.Credentials{Username: auth.Username, Token: auth.Password}, options)
}

// New returns a repository's forge.
func New(_ context.Context, provider forge.Provider, repository forge.Repository, credentials forge.Credentials, o forge.HTTPOptions) (forge.Forge, error) {
	httpClient, err := forge.NewHTTPClient(repository.BaseURL(), o)
	if err != nil {
		return nil, err
	}
	switch provider {
	case forge.Gitea:
		return gitea.New(repository, credentials, httpClient), nil
	}
	return nil, step.Invalidf("provider %s is not there yet", provider)
}
