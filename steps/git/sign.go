package git

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Signing is the key that commits are signed with. The zero value signs nothing.
type Signing struct {
	Key            string // file with a private key, GPG's (armored) or SSH's
	PassphraseFile string // for a GPG key that has one
}

// apply gives the key to git: in git's own home, where nobody else reads it. With
// a GPG key this program signs by itself, since images that have git and gpg may
// lack the agent that gpg asks for private keys.
func (s Signing) apply(c *Client) error {
	if s.Key == "" {
		return nil
	}
	data, err := os.ReadFile(s.Key)
	if err != nil {
		return step.Invalidf("reading the signing key: %w", err)
	}
	switch text := string(data); {
	case strings.Contains(text, "BEGIN PGP PRIVATE KEY BLOCK"):
		passphrase := ""
		if s.PassphraseFile != "" {
			if passphrase, err = secret(s.PassphraseFile); err != nil {
				return err
			}
			if c.options.Redact != nil {
				c.options.Redact.Add(passphrase)
			}
		}
		c.pgp, err = readPGP(data, passphrase)
		return err
	case strings.Contains(text, "PRIVATE KEY-----"):
		key := filepath.Join(c.home, "signing-key")
		if err := os.WriteFile(key, data, 0o600); err != nil {
			return step.Infraf("writing the signing key: %w", err)
		}
		c.set("gpg.format", "ssh")
		c.set("user.signingKey", key)
		c.gitSigns = true
		return nil
	}
	return step.WithHint(step.Invalid(errors.New("the signing key is neither a GPG nor an SSH private key")),
		"export one with `gpg --armor --export-secret-keys ID` or make one with `ssh-keygen -t ed25519`")
}
