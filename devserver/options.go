package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	enumspb "go.temporal.io/api/enums/v1"
)

const defaultNamespace = "default"

// options are the flags of "server start-dev". The flags that Temporal's own
// command line has too carry the same names and meanings, so that the binary
// stands in for it, as testsuite.DevServerOptions.ExistingPath for example.
type options struct {
	IP               string
	Port             int // 0 picks a free one
	UIIP             string
	UIPort           int  // 0 picks a free one
	UIPortChosen     bool // UIPort was asked for
	Headless         bool // no Web UI
	DatabaseFile     string
	Postgres         string // URL
	HistoryShards    int    // 0 is what the database was made with, or defaultShards
	Namespaces       []string
	SearchAttributes map[string]enumspb.IndexedValueType
	DynamicConfig    map[string]any
	LogLevel         slog.Level
	LogFormat        string
	ReadyFile        string
	ExitOnStdinClose bool
}

func parseOptions(args []string, help io.Writer) (*options, error) {
	opts := &options{
		SearchAttributes: map[string]enumspb.IndexedValueType{},
		DynamicConfig:    map[string]any{},
		LogLevel:         slog.LevelWarn,
	}
	flags := flag.NewFlagSet("server start-dev", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&opts.IP, "ip", "127.0.0.1", "`address` the server listens on")
	flags.IntVar(&opts.Port, "port", 7233, "`port` the server listens on; 0 picks a free one")
	flags.StringVar(&opts.UIIP, "ui-ip", "", "`address` the Web UI listens on (default: that of --ip)")
	flags.IntVar(&opts.UIPort, "ui-port", 0, "`port` the Web UI listens on; 0 picks a free one (default: that of --port plus 1000)")
	flags.BoolVar(&opts.Headless, "headless", false, "run without the Web UI")
	flags.StringVar(&opts.DatabaseFile, "db-filename", "", "SQLite `file` to keep everything in (default: a temporary file, removed at exit)")
	flags.StringVar(&opts.Postgres, "postgres", "", "`URL` of a PostgreSQL database to keep everything in, as postgres://USER@HOST:PORT/temporal; it and the one beside it whose name ends in _visibility are made if they are not there")
	flags.IntVar(&opts.HistoryShards, "history-shards", 0, fmt.Sprintf("`number` of history shards, which a database keeps for ever (default: that of the database, or %d)", defaultShards))
	flags.Func("namespace", "`name` of a namespace to register besides \"default\"; may be repeated", opts.addNamespace)
	flags.Func("search-attribute", "search attribute to register in every namespace, as `name=type`, the type one of Bool, Datetime, Double, Int, Keyword, KeywordList and Text; may be repeated", opts.addSearchAttribute)
	flags.Func("dynamic-config-value", "dynamic configuration as `key=value`, the value in JSON; may be repeated", opts.addDynamicConfig)
	flags.Func("log-level", "least `level` that is logged: debug, info, warn, error or never (default warn)", opts.setLogLevel)
	flags.Func("log-format", "`format` of the log: text, pretty or json (default text)", opts.setLogFormat)
	flags.StringVar(&opts.ReadyFile, "ready-file", "", "`file` to write addresses to, as JSON, once everything is up")
	flags.BoolVar(&opts.ExitOnStdinClose, "exit-on-stdin-close", false, "exit when standard input ends, as it does when the parent process dies")

	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(help, "Flags of millrace-devserver server start-dev:")
			flags.SetOutput(help)
			flags.PrintDefaults()
		}
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	flags.Visit(func(f *flag.Flag) { opts.UIPortChosen = opts.UIPortChosen || f.Name == "ui-port" })
	return opts, opts.complete()
}

// complete fills in what follows from other options and checks the result.
func (o *options) complete() error {
	if err := o.addNamespace(defaultNamespace); err != nil {
		return err
	}
	if o.UIIP == "" {
		o.UIIP = o.IP
	}
	for _, ip := range []*string{&o.IP, &o.UIIP} {
		resolved, err := net.ResolveIPAddr("ip", *ip)
		if err != nil {
			return fmt.Errorf("resolve address %q: %w", *ip, err)
		}
		*ip = resolved.String()
	}
	for _, port := range []int{o.Port, o.UIPort} {
		if port < 0 || port > 65535 {
			return fmt.Errorf("port %d is not between 0 and 65535", port)
		}
	}
	if o.HistoryShards < 0 || o.HistoryShards > maxShards {
		return fmt.Errorf("%d history shards are not between 1 and %d", o.HistoryShards, maxShards)
	}
	return o.checkPostgres()
}

func (o *options) checkPostgres() error {
	switch {
	case o.Postgres == "":
		return nil
	case o.DatabaseFile != "":
		return errors.New("--postgres and --db-filename exclude each other")
	case !strings.HasPrefix(o.Postgres, "postgres://") && !strings.HasPrefix(o.Postgres, "postgresql://"):
		return errors.New("--postgres is not of the form postgres://USER@HOST:PORT/DATABASE")
	}
	_, err := pgx.ParseConfig(o.Postgres)
	return err
}

func (o *options) addNamespace(name string) error {
	if name == "" {
		return errors.New("empty name")
	}
	if !slices.Contains(o.Namespaces, name) {
		o.Namespaces = append(o.Namespaces, name)
	}
	return nil
}

func (o *options) addSearchAttribute(s string) error {
	name, typeName, _ := strings.Cut(s, "=")
	valueType, err := enumspb.IndexedValueTypeFromString(typeName)
	if name == "" || err != nil || valueType == enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED {
		return errors.New("not of the form name=type, the type one of Bool, Datetime, Double, Int, Keyword, KeywordList and Text")
	}
	o.SearchAttributes[name] = valueType
	return nil
}

func (o *options) addDynamicConfig(s string) error {
	key, text, _ := strings.Cut(s, "=")
	var value any
	if err := json.Unmarshal([]byte(text), &value); key == "" || err != nil {
		return errors.New("not of the form key=value with a value in JSON")
	}
	o.DynamicConfig[key] = value
	return nil
}

func (o *options) setLogLevel(s string) error {
	if s == "never" {
		o.LogLevel = levelNever
		return nil
	}
	return o.LogLevel.UnmarshalText([]byte(s))
}

func (o *options) setLogFormat(s string) error {
	if !slices.Contains([]string{"text", "pretty", "json"}, s) {
		return errors.New("not one of text, pretty and json")
	}
	o.LogFormat = s
	return nil
}
