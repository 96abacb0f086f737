package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/step"
)

// unknownKindGrace is how long a kind may be missing: an operator that defines
// its own kinds as it starts needs a moment.
const unknownKindGrace = 30 * time.Second

// retryable tells whether the same call may succeed in a moment.
func retryable(err error, elapsed time.Duration) bool {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case meta.IsNoMatchError(err):
		return elapsed < unknownKindGrace
	case apierrors.IsTooManyRequests(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err),
		apierrors.IsServiceUnavailable(err), apierrors.IsUnexpectedServerError(err):
		return true
	case apierrors.IsConflict(err):
		return !ownedByOther(err)
	case apierrors.IsNotFound(err):
		// A namespace, or a kind that was defined a moment ago.
		return elapsed < 10*time.Second
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "is being terminated"):
		return true
	case apierrors.IsInternalError(err):
		return strings.Contains(err.Error(), "webhook") || strings.Contains(err.Error(), "etcdserver")
	}
	return unreachable(err) && elapsed < 30*time.Second
}

// unreachable tells whether err says that the API server did not answer.
func unreachable(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "http2: ")
}

// ownedByOther tells a conflict over who owns a field from one that a second
// try settles.
func ownedByOther(err error) bool {
	var status apierrors.APIStatus // no error type itself, so errors.AsType does not take it
	if !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	for _, cause := range status.Status().Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			return true
		}
	}
	return false
}

// describeApply classifies the error of applying obj and says what to try.
func describeApply(obj *unstructured.Unstructured, err error) error {
	doing := "apply " + Ref(obj)
	if source := Source(obj); source != "" {
		doing += " (" + source + ")"
	}
	switch {
	case meta.IsNoMatchError(err):
		return step.WithHint(step.Invalidf("%s: the cluster serves no kind %s of %s", doing, obj.GetKind(), obj.GetAPIVersion()),
			"install what defines it first; in a setup file, name that entry under `needs`")
	case apierrors.IsConflict(err) && ownedByOther(err):
		return step.WithHint(step.Invalidf("%s: %w", doing, err),
			"somebody else owns these fields; leave them out of the manifest, or take them over with --force-conflicts")
	case apierrors.IsInvalid(err) && strings.Contains(err.Error(), "immutable"):
		return step.WithHint(step.Invalidf("%s: %w", doing, err), "the object has to be deleted before it can be changed so")
	}
	return describeAPI(doing, err)
}

// describeAPI classifies the error of a call to the API server.
func describeAPI(doing string, err error) error {
	wrapped := fmt.Errorf("%s: %w", doing, err)
	switch {
	case strings.Contains(err.Error(), "failed calling webhook"):
		return step.WithHint(step.Infra(wrapped), "the webhook's own pod does not answer: see whether it runs and whether its Service targets the port it listens on")
	case strings.Contains(err.Error(), "denied the request"), strings.Contains(err.Error(), "failed to create typed patch object"), apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsNotAcceptable(err):
		return step.Invalid(wrapped)
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota"):
		return step.WithHint(step.Infra(wrapped), "the namespace's ResourceQuota has no room for it: ask for less, remove what is not used, or have the quota raised")
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "violates PodSecurity"):
		return step.WithHint(step.Invalid(wrapped), "the namespace's pod security level does not allow it: give the pod the securityContext that the message asks for, or the namespace another label pod-security.kubernetes.io/enforce")
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return step.WithHint(step.Infra(wrapped), "the kubeconfig's user or the run's service account lacks this right")
	case unreachable(err):
		return step.WithHint(step.Infra(wrapped), "does the cluster run, and does the kubeconfig's server address reach it from here?")
	}
	return step.Infra(wrapped)
}

// backoff grows a pause by half each time, with jitter.
type backoff struct{ next, max time.Duration }

func newBackoff(first, max time.Duration) *backoff { return &backoff{next: first, max: max} }

// wait pauses and reports false when ctx ended first.
func (b *backoff) wait(ctx context.Context) bool {
	pause := b.next + time.Duration(rand.Int64N(int64(b.next)/5+1))
	b.next = min(b.next*3/2, b.max)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
