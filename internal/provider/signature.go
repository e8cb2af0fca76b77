package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Sign returns the headers by which a receiver of HubSpot webhooks knows that a request comes from who
// holds the secret: versions 2 and 3 together, so that servers which check either accept it. The URL
// is the one requested, with its query.
func Sign(secret, method, url string, body []byte, at time.Time) http.Header {
	timestamp := strconv.FormatInt(at.UnixMilli(), 10)
	header := http.Header{}
	header.Set("X-HubSpot-Signature", signatureV2(secret, method, url, body))
	header.Set("X-HubSpot-Signature-Version", "v2")
	header.Set("X-HubSpot-Signature-v3", signatureV3(secret, method, url, body, timestamp))
	header.Set("X-HubSpot-Request-Timestamp", timestamp)
	return header
}

// signatureV2 is a plain hash over secret, method, URL and body.
func signatureV2(secret, method, url string, body []byte) string {
	sum := sha256.Sum256([]byte(secret + method + url + string(body)))
	return hex.EncodeToString(sum[:])
}

// signatureV3 is a keyed hash over method, URL, body and the time in milliseconds. In the URL some
// characters are decoded, but never in a way that makes a question mark begin the query.
func signatureV3(secret, method, url string, body []byte, timestamp string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(method + decodeV3.Replace(url) + string(body) + timestamp))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

var decodeV3 = strings.NewReplacer(
	"%3A", ":", "%2F", "/", "%3F", "?", "%40", "@", "%21", "!", "%24", "$", "%27", "'", "%28", "(", "%29", ")",
	"%2A", "*", "%2C", ",", "%3B", ";",
	"%3a", ":", "%2f", "/", "%3f", "?", "%2a", "*", "%2c", ",", "%3b", ";",
)
