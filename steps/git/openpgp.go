package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"

	"github.com/model-delivery/model-delivery/steps/step"
)

// pgpKey signs as gpg does.
type pgpKey struct{ entity *openpgp.Entity }

// readPGP reads the first key of an armored export that can sign now.
func readPGP(armored []byte, passphrase string) (*pgpKey, error) {
	list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(armored))
	if err != nil {
		return nil, step.Invalidf("reading the signing key: %w", err)
	}
	now := time.Now()
	for _, entity := range list {
		key, ok := entity.SigningKey(now)
		if !ok || key.PrivateKey == nil || key.PrivateKey.Dummy() {
			continue
		}
		if key.PrivateKey.Encrypted {
			if passphrase == "" {
				return nil, step.WithHint(step.Invalid(errors.New("the signing key has a passphrase")), "put it beside the key, in the file passphrase")
			}
			if err := entity.DecryptPrivateKeys([]byte(passphrase)); err != nil {
				return nil, step.Invalid(errors.New("the passphrase is not that of the signing key"))
			}
		}
		return &pgpKey{entity}, nil
	}
	return nil, step.WithHint(step.Invalid(errors.New("there is no secret key in the signing key's file that can sign")), "is it expired, or exported without its secret part?")
}

// sign returns the armored signature of data.
func (k *pgpKey) sign(data string) (string, error) {
	var out strings.Builder
	if err := openpgp.ArmoredDetachSign(&out, k.entity, strings.NewReader(data), nil); err != nil {
		return "", step.Infraf("signing: %w", err)
	}
	return strings.TrimRight(out.String(), "\n") + "\n", nil
}

// signCommit stores a commit again, with its signature in a header as git has it
// (gitformat-signature), and returns the new one's ID.
func (r *Repository) signCommit(ctx context.Context, commit string) (string, error) {
	raw, err := r.client.Run(ctx, r.dir, "cat-file", "commit", commit)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	signature, err := r.client.pgp.sign(raw)
	if err != nil {
		return "", err
	}
	headers, message, found := strings.Cut(raw, "\n\n")
	if !found {
		return "", step.Infraf("signing: commit %s has no message", commit)
	}
	name := "gpgsig"
	if len(commit) == 64 {
		name = "gpgsig-sha256"
	}
	lines := strings.ReplaceAll(strings.TrimSuffix(signature, "\n"), "\n", "\n ")
	return r.store(ctx, headers+"\n"+name+" "+lines+"\n\n"+message, "hash-object", "-t", "commit", "-w", "--stdin")
}

// signedTag makes an annotated tag with its signature at its end.
func (r *Repository) signedTag(ctx context.Context, name, commit, message string) error {
	tagger, err := r.Run(ctx, "var", "GIT_COMMITTER_IDENT")
	if err != nil {
		return err
	}
	raw := fmt.Sprintf("object %s\ntype commit\ntag %s\ntagger %s\n\n%s", commit, name, tagger, message)
	if !strings.HasSuffix(raw, "\n") {
		raw += "\n"
	}
	signature, err := r.client.pgp.sign(raw)
	if err != nil {
		return err
	}
	id, err := r.store(ctx, raw+signature, "mktag")
	if err != nil {
		return err
	}
	_, err = r.Run(ctx, "update-ref", "refs/tags/"+name, id, "")
	return err
}

// store gives an object to git and returns its ID.
func (r *Repository) store(ctx context.Context, object string, args ...string) (string, error) {
	out, err := r.client.RunInput(ctx, r.dir, []byte(object), args...)
	return strings.TrimSpace(out), err
}
