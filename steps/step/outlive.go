package step

import (
	"context"
	"time"
)

// Outlive returns a context that goes on for a while after ctx has ended, for what
// has to be put right whatever happened. Its cause is that of ctx.
func Outlive(ctx context.Context, while time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	unregister := context.AfterFunc(ctx, func() {
		select {
		case <-longer.Done():
		case <-time.After(while):
			cancel(context.Cause(ctx))
		}
	})
	return longer, func() {
		unregister()
		cancel(nil)
	}
}
