package metrics

import (
	"math"
	"math/bits"
	"time"
)

// subBuckets is how many buckets each power of two is divided into; a
// percentile is off by at most 1 part in that many.
const (
	subBits    = 7
	subBuckets = 1 << subBits
)

// Latencies counts durations in buckets that grow with the duration. The zero
// value is empty. It takes at most some 60 kB, however many are counted.
type Latencies struct {
	counts   []int64
	n        int64
	sum      time.Duration
	min, max time.Duration
}

func bucket(d time.Duration) int {
	u := uint64(max(d, 0))
	if u < subBuckets {
		return int(u)
	}
	shift := bits.Len64(u) - subBits - 1
	return shift*subBuckets + int(u>>shift)
}

// upper is the largest duration of a bucket.
func upper(i int) time.Duration {
	if i < 2*subBuckets {
		return time.Duration(i)
	}
	shift := i/subBuckets - 1
	return time.Duration((uint64(i-shift*subBuckets)+1)<<shift - 1)
}

// Add counts one duration.
func (l *Latencies) Add(d time.Duration) {
	i := bucket(d)
	for len(l.counts) <= i {
		l.counts = append(l.counts, make([]int64, subBuckets)...)
	}
	l.counts[i]++
	if l.n == 0 || d < l.min {
		l.min = d
	}
	l.max = max(l.max, d)
	l.n++
	l.sum += d
}

// Merge counts what other counted, too.
func (l *Latencies) Merge(other *Latencies) {
	if other.n == 0 {
		return
	}
	for len(l.counts) < len(other.counts) {
		l.counts = append(l.counts, make([]int64, subBuckets)...)
	}
	for i, n := range other.counts {
		l.counts[i] += n
	}
	if l.n == 0 || other.min < l.min {
		l.min = other.min
	}
	l.max = max(l.max, other.max)
	l.n += other.n
	l.sum += other.sum
}

// Count is how many durations were counted.
func (l *Latencies) Count() int { return int(l.n) }

// Min, Max and Mean are 0 when nothing was counted.
func (l *Latencies) Min() time.Duration { return l.min }

// Max is the longest.
func (l *Latencies) Max() time.Duration { return l.max }

// Mean is the average.
func (l *Latencies) Mean() time.Duration { return l.sum / time.Duration(max(l.n, 1)) }

// Percentile is the duration that p percent do not exceed, p from 0 to 100.
func (l *Latencies) Percentile(p float64) time.Duration {
	if l.n == 0 {
		return 0
	}
	rank := int64(math.Ceil(p / 100 * float64(l.n)))
	rank = min(max(rank, 1), l.n)
	seen := int64(0)
	for i, n := range l.counts {
		if seen += n; seen >= rank {
			return min(max(upper(i), l.min), l.max)
		}
	}
	return l.max
}

// Bin is a bar of a histogram.
type Bin struct {
	From  time.Duration `json:"fromNanoseconds"`
	To    time.Duration `json:"toNanoseconds"`
	Count int           `json:"count"`
}

// Histogram divides what was counted into at most n bars whose width grows
// evenly in proportion.
func (l *Latencies) Histogram(n int) []Bin {
	if l.n == 0 {
		return nil
	}
	low, high := math.Log(float64(max(l.min, 1))), math.Log(float64(max(l.max, 1))*1.0001)
	if high-low < 0.05 {
		low, high = low-0.05, high+0.05
	}
	edge := func(i int) time.Duration {
		return time.Duration(math.Exp(low + (high-low)*float64(i)/float64(n)))
	}
	bins := make([]Bin, n)
	for i := range bins {
		bins[i].From, bins[i].To = edge(i), edge(i+1)
	}
	for i, count := range l.counts {
		if count == 0 {
			continue
		}
		d := min(max(upper(i), l.min), l.max)
		at := int((math.Log(float64(max(d, 1))) - low) / (high - low) * float64(n))
		bins[min(max(at, 0), n-1)].Count += int(count)
	}
	return bins
}
