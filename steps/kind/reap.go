package kind

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"github.com/model-delivery/model-delivery/steps/step"
)

// DefaultPrefix begins the names of clusters that expire.
const DefaultPrefix = "it"

// expiryUnit is how exactly a name tells when its cluster expires.
const expiryUnit = time.Minute

// firstExpiry is before the first name that told an expiry. What seems to have
// expired before it is a word that looks like one.
var firstExpiry = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

var (
	// Five digits are enough until 2084.
	expiryPattern = regexp.MustCompile(`^[a-z0-9.-]+-[0-9a-f]{4}-x([0-9a-z]{5})$`)
	notInNames    = regexp.MustCompile(`[^a-z0-9]+`)
)

// ExpiringName makes a name, such as it-news-1f0c-xhvk2a, for a cluster that
// anyone may remove once it has expired: kind puts no labels of its users'
// choice on what it makes, so that the name, which is in kind's label, tells.
func ExpiringName(prefix, owner string, expires time.Time) string {
	owner = strings.Trim(notInNames.ReplaceAllString(strings.ToLower(owner), "-"), "-")
	minutes := strconv.FormatInt(expires.Unix()/int64(expiryUnit/time.Second)+1, 36)
	return fmt.Sprintf("%s-%.24s-%04x-x%s", prefix, owner, rand.Uint32()&0xffff, minutes)
}

// Expiry reads from a cluster's name when it expires; ok is false for a name
// that [ExpiringName] does not make.
func Expiry(name string) (expires time.Time, ok bool) {
	match := expiryPattern.FindStringSubmatch(name)
	if match == nil {
		return time.Time{}, false
	}
	minutes, err := strconv.ParseInt(match[1], 36, 64)
	if err != nil {
		return time.Time{}, false
	}
	expires = time.Unix(minutes*int64(expiryUnit/time.Second), 0).UTC()
	if expires.Before(firstExpiry) {
		return time.Time{}, false
	}
	return expires, true
}

// ReapOptions say what [Reap] removes.
type ReapOptions struct {
	Prefix string    // only clusters whose names begin with it and a dash
	Now    time.Time // what has expired by then; time.Now() when zero
	DryRun bool      // only say what would be removed
}

// Reaped is what [Reap] found.
type Reaped struct {
	Removed []string // clusters
	Kept    []string // clusters that have not expired
	Probes  int      // networks and containers, made to try something, that were left
}

// probeAge is how old what was made to try something must be to count as left.
const probeAge = 10 * time.Minute

// Reap removes clusters whose names say that they have expired, with their
// volumes, and what probing left. Clusters with other names are not touched.
// What cannot be removed is reported at the end, after all were tried.
func Reap(ctx context.Context, target Target, o ReapOptions) (Reaped, error) {
	s, err := connect(target)
	if err != nil {
		return Reaped{}, err
	}
	defer s.close()
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	list, err := s.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", clusterLabel)})
	if err != nil {
		return Reaped{}, step.Infraf("list clusters on %s: %w", s.endpoint.Host, err)
	}
	var names []string
	for _, c := range list.Items {
		name := c.Labels[clusterLabel]
		if !slices.Contains(names, name) && strings.HasPrefix(name, o.Prefix+"-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var reaped Reaped
	var failed []string
	for _, name := range names {
		expires, tells := Expiry(name)
		switch {
		case !tells:
		case expires.After(o.Now):
			s.Log("cluster %s expires in %s", name, expires.Sub(o.Now).Round(time.Minute))
			reaped.Kept = append(reaped.Kept, name)
		case o.DryRun:
			s.Log("cluster %s expired at %s", name, expires.Format(time.RFC3339))
		default:
			if err := s.reapOne(ctx, name); err != nil {
				s.Log("%v", err)
				failed = append(failed, name)
				continue
			}
			s.Log("removed cluster %s, which expired at %s", name, expires.Format(time.RFC3339))
			reaped.Removed = append(reaped.Removed, name)
		}
	}
	if !o.DryRun {
		reaped.Probes, err = s.reapProbes(ctx, o.Now)
	}
	if len(failed) > 0 {
		return reaped, step.Infraf("could not remove clusters %s", strings.Join(failed, ", "))
	}
	return reaped, err
}

func (s *session) reapOne(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, DeleteTimeout)
	defer cancel()
	cluster := session{Target: s.Target, endpoint: s.endpoint, docker: s.docker}
	cluster.Name = name
	_, err := cluster.remove(ctx)
	return err
}

// reapProbes removes networks and containers that waiting for a daemon and
// looking into images leave when they are killed.
func (s *session) reapProbes(ctx context.Context, now time.Time) (int, error) {
	removed := 0
	filters := make(client.Filters).Add("label", probeLabel)
	containers, err := s.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filters})
	if err != nil {
		return 0, step.Infraf("list what probing left: %w", err)
	}
	for _, c := range containers.Items {
		if now.Sub(time.Unix(c.Created, 0)) < probeAge {
			continue
		}
		if _, err := s.docker.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			return removed, step.Infraf("remove container %s: %w", containerName(c), err)
		}
		removed++
	}
	networks, err := s.docker.NetworkList(ctx, client.NetworkListOptions{Filters: filters})
	if err != nil {
		return removed, step.Infraf("list what probing left: %w", err)
	}
	for _, n := range networks.Items {
		if now.Sub(n.Created) < probeAge {
			continue
		}
		if _, err := s.docker.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{}); err != nil {
			return removed, step.Infraf("remove network %s: %w", n.Name, err)
		}
		removed++
	}
	return removed, nil
}
