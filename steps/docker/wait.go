package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Defaults and bounds of [Wait].
const (
	DefaultTimeout = 120 * time.Second
	// MinAPIVersion is what kind needs: container cgroup namespaces.
	MinAPIVersion = "1.41"

	firstPause  = 50 * time.Millisecond
	longPause   = 500 * time.Millisecond
	pauseGrowth = 1.5
	pauseJitter = 0.1

	pingTimeout  = time.Second
	infoTimeout  = 5 * time.Second
	probeTimeout = 7 * time.Second
)

// Options say which daemon to wait for and what counts as ready.
type Options struct {
	Host    string               // daemon URL; found as by [Resolve] when empty
	Getenv  func(string) string  // os.Getenv when nil
	Timeout time.Duration        // DefaultTimeout when zero
	Log     func(string, ...any) // progress lines; may be nil
	// ProbeNetwork makes and removes a network once the daemon answers:
	// a daemon without working iptables answers everything else.
	ProbeNetwork bool
	// LogFile is the daemon's log, shown in part when it does not come up.
	LogFile string
	// ExitFile is written by whoever runs the daemon when the daemon ends.
	// Waiting stops as soon as it is there.
	ExitFile string
	// CLI is a docker executable that must be there too, by name or path;
	// empty: none is needed.
	CLI string
	// MinAPI is the oldest API version that will do; MinAPIVersion when empty.
	MinAPI string
	// AllowVFS accepts the vfs storage driver, which copies every layer.
	AllowVFS bool
	// Start runs the daemon here; nil when someone else does.
	Start *StartOptions
}

// Result is what a ready daemon said about itself.
type Result struct {
	Host          string
	ServerVersion string
	APIVersion    string
	StorageDriver string
	CgroupVersion string
	CPUs          int
	MemoryBytes   int64
	Waited        time.Duration
	Attempts      int
}

// fatalError ends the waiting: it will not go away by itself.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }

func fatal(err error) error { return &fatalError{err} }

// unfatal takes the mark away again.
func unfatal(err error) error {
	if marked, ok := errors.AsType[*fatalError](err); ok {
		return marked.err
	}
	return err
}

func isFatal(err error) bool {
	_, ok := errors.AsType[*fatalError](err)
	return ok
}

// Wait returns as soon as the daemon is usable. It fails when the time is up,
// and at once when waiting cannot help: the daemon has ended, access is
// denied, TLS does not fit, the daemon is too old or badly set up. The error
// then carries a report and a hint.
func Wait(ctx context.Context, o Options) (Result, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.MinAPI = cmp.Or(o.MinAPI, MinAPIVersion)
	endpoint, err := resolve(o.Host, o.Getenv)
	if err != nil {
		return Result{}, err
	}
	w := &waiter{Options: o, endpoint: endpoint, started: time.Now(), prober: newProber(endpoint), certs: identityOfCerts(endpoint.named)}
	defer func() { w.prober.close() }()
	return w.run(ctx)
}

// waiter is one call of [Wait].
type waiter struct {
	Options
	endpoint Endpoint
	prober   *prober
	started  time.Time
	attempts attemptLog
	daemon   *daemon // the one started here, or nil
	certs    certsIdentity
}

func (w *waiter) run(parent context.Context) (result Result, err error) {
	if w.Start != nil {
		w.daemon, err = startDaemon(*w.Start, w.endpoint, w.LogFile)
		if err != nil {
			return Result{}, err
		}
		if w.LogFile == "" {
			w.LogFile = w.daemon.logFile
		}
		w.Log("started %s (pid %d), logging to %s", w.daemon.command, w.daemon.pid(), w.LogFile)
		defer func() {
			if err != nil {
				w.daemon.stop()
			}
		}()
	}
	ctx, cancel := context.WithTimeoutCause(parent, w.Timeout, fmt.Errorf("%s passed", w.Timeout))
	defer cancel()
	pause := firstPause
	announce := newProgress(w.started)
	for {
		began := time.Now()
		result, err := w.attempt(ctx)
		if err == nil {
			result.Host = w.endpoint.Host
			result.Waited, result.Attempts = time.Since(w.started), w.attempts.count+1
			return result, nil
		}
		if ctx.Err() == nil || w.attempts.count == 0 {
			w.attempts.add(err, began.Sub(w.started))
		}
		if isFatal(err) || ctx.Err() != nil {
			return Result{}, w.failure(parent, err)
		}
		if announce.due() {
			w.Log("waiting for docker at %s: %s, %d attempts; last: %v", w.endpoint.Host, time.Since(w.started).Round(100*time.Millisecond), w.attempts.count, err)
		}
		// An attempt that ran into its own limit has waited already.
		w.pause(ctx, jitter(pause)-time.Since(began))
		pause = min(time.Duration(float64(pause)*pauseGrowth), longPause)
	}
}

func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 + pauseJitter*(2*rand.Float64()-1)))
}

// attempt asks everything that readiness needs, in the order of what tells
// most. A fatal error is marked so.
func (w *waiter) attempt(ctx context.Context) (Result, error) {
	if err := w.daemonEnded(); err != nil {
		return Result{}, fatal(err)
	}
	if err := w.renewCerts(); err != nil {
		return Result{}, err
	}
	result, err := w.prober.probe(ctx, w.Options)
	if err != nil && w.endpoint.mayLack(err) {
		// Whoever makes the certificates, such as the daemon's sidecar, may still be at it.
		return result, fmt.Errorf("%s has no %s yet: %w", w.endpoint.named, w.endpoint.lacks, unfatal(err))
	}
	if err != nil {
		return result, err
	}
	if w.CLI != "" {
		if _, err := exec.LookPath(w.CLI); err != nil {
			return result, fmt.Errorf("the docker command is not there yet: %w", err)
		}
	}
	if w.ProbeNetwork {
		return result, probeNetwork(ctx, w.endpoint)
	}
	return result, nil
}

// daemonEnded says that the daemon is gone: by its exit file, or because it
// was started here.
func (w *waiter) daemonEnded() error {
	if w.daemon != nil {
		if status, ended := w.daemon.ended(); ended {
			return fmt.Errorf("the docker daemon ended: %s", status)
		}
	}
	if w.ExitFile == "" {
		return nil
	}
	status, err := readSmall(w.ExitFile)
	if err != nil {
		return nil // not there
	}
	return fmt.Errorf("the docker daemon ended with exit code %s (from %s)", cmp.Or(status, "unknown"), w.ExitFile)
}

// pause waits, but not longer than it takes for something to change: the
// daemon's socket or certificates appear or are replaced, or the daemon ends.
func (w *waiter) pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	const look = 5 * time.Millisecond
	socket := ""
	if w.endpoint.network() == "unix" {
		socket = w.endpoint.address()
	}
	before := identity(socket)
	exitBefore := identity(w.ExitFile)
	certsBefore := identityOfCerts(w.endpoint.named)
	timer, ticker := time.NewTimer(d), time.NewTicker(look)
	defer timer.Stop()
	defer ticker.Stop()
	var ended <-chan struct{}
	if w.daemon != nil {
		ended = w.daemon.done
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-ended:
			return
		case <-ticker.C:
			if identity(socket) != before || identity(w.ExitFile) != exitBefore || identityOfCerts(w.endpoint.named) != certsBefore {
				return
			}
		}
	}
}

// fileIdentity changes when a file appears, vanishes or is replaced.
type fileIdentity struct {
	exists bool
	when   time.Time
}

func identity(path string) fileIdentity {
	if path == "" {
		return fileIdentity{}
	}
	info, err := os.Stat(path)
	if err != nil {
		return fileIdentity{}
	}
	return fileIdentity{true, info.ModTime()}
}

// failure makes the error that Wait ends with.
func (w *waiter) failure(parent context.Context, last error) error {
	elapsed := time.Since(w.started)
	if parent.Err() != nil {
		return step.Infraf("stopped after %.1fs of waiting for docker at %s: %w", elapsed.Seconds(), w.endpoint.Host, context.Cause(parent))
	}
	last = w.attempts.mostTelling(last)
	w.Log("%s", w.report(elapsed))
	what := fmt.Sprintf("docker at %s was not ready within %s", w.endpoint.Host, w.Timeout)
	if isFatal(last) {
		what = fmt.Sprintf("docker at %s will not become ready (given up after %.1fs)", w.endpoint.Host, elapsed.Seconds())
	}
	return step.WithHint(step.Infraf("%s: %w", what, last), w.hint(last))
}
