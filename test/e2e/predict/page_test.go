//go:build e2e

package predict

import (
	"cmp"
	"image/color"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
	"github.com/model-delivery/model-delivery/steps/step"
)

// busy has one check of every kind, with something wrong in most.
const busy = `apiVersion: model-delivery.dev/v1
kind: PredictionChecks
defaults: {classes: [below, above]}
checks:
- name: above is above
  request: {data: {ndarray: [[1, 2]]}}
  expect: {class: [above]}
- name: <script>document.title = "taken over"</script>
  request: {data: {ndarray: [[1, 2]]}}
  expect: {data: {ndarray: [[0.25, 0.5]]}}
- name: held-out quality
  dataset: {file: points.csv, inputs: [a, b], label: class}
  expect: {accuracy: {min: 0.99}, f1: {each: {min: 0.5}}}
- name: fast enough
  load: {check: above is above, requests: 2000, concurrency: 4}
  expect: {p95: 1ms, errors: {max: 0}}
- name: numbers
  dataset: {file: sums.csv, inputs: [a, b, c], label: score}
  expect: {mae: {max: 0.5}}
- name: compared
  compare: {dataset: {file: points.csv, inputs: [a, b]}}
  expect: {agreement: {min: 0.99}}
`

// tilted answers as a model that was trained anew: nearly the same. Rows of
// three it answers with their sum.
func tilted(rows []any) ([]any, error) {
	out, err := modeltest.Sign(rows)
	for i, row := range rows {
		list, ok := row.([]any)
		if !ok || err != nil {
			return out, err
		}
		if len(list) == 3 {
			out[i] = list[0].(float64) + list[1].(float64) + list[2].(float64)
		} else {
			at := 0.5 + list[0].(float64)/20
			out[i] = []any{1 - at, at}
		}
	}
	return out, err
}

// TestPage looks at the page in a browser, in both schemes of colours: it is
// painted, with every plot in its colours, and runs nothing that came with a name.
func TestPage(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("predictions.yaml", busy)
	points, sums := "a,b,class\n", "a,b,c,score\n"
	for i := range 60 {
		a, b := i%13-6, (i*7)%11-5
		class := "below"
		if a+b > 0 || i%17 == 0 {
			class = "above"
		}
		points += itoa(a) + "," + itoa(b) + "," + class + "\n"
		sums += itoa(a) + "," + itoa(b) + ",1," + itoa(a+b+i%4) + "\n"
	}
	write("points.csv", points)
	write("sums.csv", sums)
	candidate := modeltest.New(t, modeltest.Options{Model: tilted})
	base := modeltest.New(t, modeltest.Options{Model: modeltest.Sign, Fault: modeltest.Slow(500 * time.Microsecond)})
	reports := cmp.Or(os.Getenv("REPORT_DIR"), filepath.Join(dir, "report"))
	code := step.Execute(t.Context(), predict.Command(), []string{
		"--checks", filepath.Join(dir, "predictions.yaml"), "--endpoint", candidate.URL, "--baseline", base.URL, "--report-dir", reports, "--results-dir", dir + "/none",
	}, func(string) string { return "" }, t.Output(), t.Output())
	if code != 1 {
		t.Fatalf("exit code %d", code)
	}
	schemes := map[string]struct {
		flags  []string
		colors map[string]color.RGBA
	}{
		"light": {nil, map[string]color.RGBA{"page": {255, 255, 255, 255}, "one": {0x2f, 0x6f, 0xb3, 255}, "two": {0xc8, 0x64, 0x1c, 255}, "bad": {0xb3, 0x32, 0x2f, 255}}},
		"dark":  {[]string{"--blink-settings=preferredColorScheme=0"}, map[string]color.RGBA{"page": {0x14, 0x18, 0x1e, 255}, "one": {0x6a, 0xa9, 0xea, 255}, "two": {0xf0, 0x99, 0x4f, 255}, "bad": {0xf0, 0x80, 0x7c, 255}}},
	}
	for name, scheme := range schemes {
		for _, size := range []string{"1200,4200", "420,6500"} {
			t.Run(name+" "+size, func(t *testing.T) {
				shot := filepath.Join(reports, name+"-"+size+".png")
				args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--user-data-dir=" + t.TempDir(), "--window-size=" + size, "--screenshot=" + shot}, scheme.flags...)
				cmd := exec.CommandContext(t.Context(), cmp.Or(os.Getenv("CHROMIUM"), "chromium"), append(args, "file://"+filepath.Join(reports, "report.html"))...)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				picture := load(t, shot)
				for what, c := range scheme.colors {
					if n := count(picture, c); n < 100 {
						t.Errorf("the colour of %s is in %d points only; see %s", what, n, shot)
					}
				}
				// Nothing is wider than the page: its right edge is empty.
				bounds, page := picture.Bounds(), scheme.colors["page"]
				for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
					if !same(picture.At(bounds.Max.X-2, y), page) {
						t.Fatalf("the page is too wide at line %d; see %s", y, shot)
					}
				}
			})
		}
	}
	dom, err := exec.CommandContext(t.Context(), cmp.Or(os.Getenv("CHROMIUM"), "chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(),
		"--dump-dom", "file://"+filepath.Join(reports, "report.html")).Output()
	if err != nil || !contains(dom, "<title>Predictions: value</title>") {
		t.Errorf("the title is not the page's own: %v", err)
	}
}
