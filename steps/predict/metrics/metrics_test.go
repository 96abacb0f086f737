package metrics

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestClasses(t *testing.T) {
	t.Parallel()
	var c Classes
	for _, pair := range [][2]string{{"a", "a"}, {"a", "a"}, {"a", "b"}, {"b", "b"}, {"c", "a"}} {
		if err := c.Add(pair[0], pair[1]); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.Accuracy(); got != 0.6 {
		t.Errorf("accuracy %v", got)
	}
	scores := c.Scores()
	want := []ClassScore{
		{"a", 3, 3, 2.0 / 3, 2.0 / 3, 2.0 / 3},
		{"b", 1, 2, 0.5, 1, 2.0 / 3},
		{"c", 1, 0, 0, 0, 0},
	}
	for i := range want {
		if math.Abs(scores[i].F1-want[i].F1) > 1e-12 {
			t.Errorf("f1 of %s is %v", want[i].Class, scores[i].F1)
		}
		scores[i].F1, want[i].F1 = 0, 0
	}
	if !slices.Equal(scores, want) {
		t.Errorf("got %+v", scores)
	}
	if got := c.Average("recall", "macro"); math.Abs(got-(2.0/3+1)/3) > 1e-12 {
		t.Errorf("macro recall %v", got)
	}
	if got := c.Average("recall", "weighted"); math.Abs(got-0.6) > 1e-12 {
		t.Errorf("weighted recall %v", got)
	}
	names, counts := c.Confusion(3)
	if !slices.Equal(names, []string{"a", "b", "c"}) || counts[0][1] != 1 || counts[2][0] != 1 {
		t.Errorf("confusion %v %v", names, counts)
	}
}

func TestNumbersSortAsNumbers(t *testing.T) {
	t.Parallel()
	var c Classes
	for _, name := range []string{"10", "9", "z", "100"} {
		c.Add(name, name)
	}
	if got := c.Names(); !slices.Equal(got, []string{"9", "10", "100", "z"}) {
		t.Error(got)
	}
}

func TestTooManyClasses(t *testing.T) {
	t.Parallel()
	var c Classes
	var err error
	for i := range 2 * MaxClasses {
		if err = c.Add(time.Duration(i).String(), "x"); err != nil {
			return
		}
	}
	t.Fatal("no bound")
}

func TestRegression(t *testing.T) {
	t.Parallel()
	var r Regression
	for i := range 10_000 {
		r.Add(float64(i), float64(i)+float64(i%3-1))
	}
	if got := r.MAE(); math.Abs(got-2.0/3) > 1e-3 {
		t.Errorf("mae %v", got)
	}
	if got := r.RMSE(); math.Abs(got-math.Sqrt(2.0/3)) > 1e-3 {
		t.Errorf("rmse %v", got)
	}
	if got := r.R2(); got < 0.99999 || got > 1 {
		t.Errorf("r2 %v", got)
	}
	if len(r.Points) < maxPoints/2 || len(r.Points) > 2*maxPoints {
		t.Errorf("%d points", len(r.Points))
	}
}

// TestRegressionThatIsNotFinite has no measure that could pass for a good one.
func TestRegressionThatIsNotFinite(t *testing.T) {
	t.Parallel()
	for _, wrong := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		var r Regression
		r.Add(1, wrong)
		r.Add(1, 1)
		if r.NotFinite() != 1 || r.Total() != 2 || len(r.Points) != 1 || r.MAE() <= 1e300 || r.RMSE() <= 1e300 || !math.IsNaN(r.R2()) {
			t.Errorf("%v: mae %v, rmse %v, r2 %v, points %v", wrong, r.MAE(), r.RMSE(), r.R2(), r.Points)
		}
	}
}

func TestLatencies(t *testing.T) {
	t.Parallel()
	var l, half Latencies
	for i := 1; i <= 1000; i++ {
		if i%2 == 0 {
			l.Add(time.Duration(i) * time.Millisecond)
		} else {
			half.Add(time.Duration(i) * time.Millisecond)
		}
	}
	l.Merge(&half)
	for p, want := range map[float64]time.Duration{0: time.Millisecond, 50: 500 * time.Millisecond, 95: 950 * time.Millisecond, 99: 990 * time.Millisecond, 100: time.Second} {
		if got := l.Percentile(p); got < want || float64(got) > float64(want)*1.01 {
			t.Errorf("p%v is %s, want %s", p, got, want)
		}
	}
	if l.Count() != 1000 || l.Min() != time.Millisecond || l.Max() != time.Second || l.Mean() != 500500*time.Microsecond {
		t.Errorf("count %d min %s max %s mean %s", l.Count(), l.Min(), l.Max(), l.Mean())
	}
	total := 0
	for _, bin := range l.Histogram(20) {
		total += bin.Count
	}
	if total != 1000 {
		t.Errorf("histogram of %d", total)
	}
}

func TestBucketsCoverEveryDuration(t *testing.T) {
	t.Parallel()
	for d := time.Duration(0); d < 1<<40; d += d/50 + 1 {
		i := bucket(d)
		if u := upper(i); u < d || float64(u) > float64(d)*1.01+1 || bucket(u) != i {
			t.Fatalf("%d is in bucket %d up to %d", d, i, u)
		}
	}
}
