// Command logqlcheck runs LogQL queries over log lines with Loki's own parser and pipeline.
//
// It reads {"queries": [...], "lines": [{"labels": {...}, "line": "..."}]} and writes, for each query, the lines that
// its log selection lets through, as the pipeline has formatted them, with their labels, or the parser's error.
package main

import (
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/grafana/loki/v3/pkg/logql/syntax"
)

type line struct {
	Labels map[string]string `json:"labels"`
	Line   string            `json:"line"`
}

type question struct {
	Queries []string `json:"queries"`
	Lines   []line   `json:"lines"`
}

type answer struct {
	Query string `json:"query"`
	Error string `json:"error"`
	Lines []line `json:"lines"`
}

func main() {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		log.Fatal(err)
	}
	answers := make([]answer, 0, len(asked.Queries))
	for _, query := range asked.Queries {
		found, err := run(query, asked.Lines)
		one := answer{Query: query, Lines: found}
		if err != nil {
			one.Error = err.Error()
		}
		answers = append(answers, one)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		log.Fatal(err)
	}
}

func run(query string, lines []line) ([]line, error) {
	found := []line{}
	expression, err := syntax.ParseExpr(query)
	if err != nil {
		return found, err
	}
	selector, isLog := expression.(syntax.LogSelectorExpr)
	if !isLog {
		if selector, err = expression.(syntax.SampleExpr).Selector(); err != nil {
			return found, err
		}
	}
	pipeline, err := selector.Pipeline()
	if err != nil {
		return found, err
	}
	for _, one := range lines {
		stream := labels.FromMap(one.Labels)
		if !matches(selector.Matchers(), stream) {
			continue
		}
		formatted, with, ok := pipeline.ForStream(stream).ProcessString(time.Now().UnixNano(), one.Line, labels.EmptyLabels())
		if ok {
			found = append(found, line{Labels: with.Labels().Map(), Line: formatted})
		}
	}
	return found, nil
}

func matches(matchers []*labels.Matcher, stream labels.Labels) bool {
	for _, matcher := range matchers {
		if !matcher.Matches(stream.Get(matcher.Name)) {
			return false
		}
	}
	return true
}
