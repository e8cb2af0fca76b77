package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
)

const loopback = "127.0.0.1"

// claimPort returns the port, or a free one if port is 0, after making sure
// that it can be listened on.
func claimPort(ip string, port int) (int, error) {
	listener, err := net.Listen("tcp", hostPort(ip, port))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return 0, fmt.Errorf("port %d of %s is taken by another process", port, ip)
	case err != nil:
		return 0, fmt.Errorf("listen on port %d: %w", port, err)
	}
	defer listener.Close()
	if port == 0 {
		port = listener.Addr().(*net.TCPAddr).Port
		return port, reserve(listener)
	}
	return port, nil
}

// reserve keeps the kernel from giving the listener's port to somebody else
// for a minute after the listener is closed: a connection closed by the server
// first leaves the port in TIME_WAIT, in which only a listener that asks for
// this very port gets it.
func reserve(listener net.Listener) error {
	port := listener.Addr().(*net.TCPAddr).Port
	near, err := net.Dial("tcp", hostPort(reachable(listener.Addr().(*net.TCPAddr).IP.String()), port))
	if err != nil {
		return fmt.Errorf("reserve port %d: %w", port, err)
	}
	defer near.Close()
	far, err := listener.Accept()
	if err != nil {
		return fmt.Errorf("reserve port %d: %w", port, err)
	}
	return far.Close()
}

// reachable is the address at which to reach a server that listens on ip.
func reachable(ip string) string {
	switch addr := net.ParseIP(ip); {
	case addr.Equal(net.IPv4zero):
		return loopback
	case addr.Equal(net.IPv6unspecified):
		return "::1"
	}
	return ip
}

// bracketed is the address as it stands before a port.
func bracketed(ip string) string {
	if strings.Contains(ip, ":") {
		return "[" + ip + "]"
	}
	return ip
}

func hostPort(ip string, port int) string {
	return net.JoinHostPort(ip, strconv.Itoa(port))
}
