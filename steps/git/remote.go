package git

import (
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/model-delivery/model-delivery/steps/step"
)

var (
	scpLike   = regexp.MustCompile(`^([A-Za-z0-9._-]+@)?[A-Za-z0-9._-]+:[^:]`)
	commitSHA = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)
)

// CheckRemote says what is wrong with a repository's URL: nothing that git
// would take for an option, no credential in it, only known transports.
func CheckRemote(remote string, allowFile bool) error {
	switch {
	case remote == "":
		return step.Invalidf("no repository is given")
	case strings.HasPrefix(remote, "-") || strings.ContainsAny(remote, "\x00\n\r"):
		return notRemote(remote)
	}
	scheme, _, ok := strings.Cut(remote, "://")
	if !ok {
		if scpLike.MatchString(remote) || allowFile && strings.HasPrefix(remote, "/") {
			return nil
		}
		return notRemote(remote)
	}
	switch {
	case scheme == "https" || scheme == "http" || scheme == "ssh" || scheme == "file" && allowFile:
	default:
		return step.WithHint(step.Invalidf("repositories are not fetched by %q", scheme), "use https or ssh")
	}
	u, err := url.Parse(remote)
	if err != nil || u.Host == "" && scheme != "file" {
		return notRemote(remote)
	}
	if _, set := u.User.Password(); set || tokenLike(u.User.Username()) {
		return step.WithHint(step.Invalid(errors.New("the repository's URL has a password or a token in it")), "give it by a workspace or a token file: a URL ends up in logs")
	}
	return nil
}

// tokenLike tells whether what stands in the place of a user is a token: forges
// take them there.
func tokenLike(user string) bool {
	return len(user) >= 32 || strings.HasPrefix(user, "gh") && strings.Contains(user, "_") || strings.HasPrefix(user, "glpat-")
}

// notRemote does not repeat what may be a credential.
func notRemote(remote string) error {
	if at := strings.LastIndexByte(remote, '@'); at >= 0 {
		remote = "…" + remote[at:]
	}
	return step.WithHint(step.Invalidf("%q is not the URL of a repository", remote), "https://HOST/OWNER/NAME.git or git@HOST:OWNER/NAME.git")
}

// CheckRef says what is wrong with a branch, tag or commit given from outside.
func CheckRef(ref string) error {
	if ref == "" || strings.HasPrefix(ref, "-") || strings.ContainsAny(ref, " \t\r\n\x00~^:?*[\\") || strings.Contains(ref, "..") ||
		strings.Contains(ref, "@{") || strings.HasSuffix(ref, "/") || strings.HasSuffix(ref, ".lock") {
		return step.Invalidf("%q is not the name of a branch, a tag or a commit", ref)
	}
	return nil
}

// IsCommit tells whether text is a full commit hash.
func IsCommit(text string) bool { return commitSHA.MatchString(text) }
