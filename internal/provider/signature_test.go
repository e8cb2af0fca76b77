package provider

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	testSecret = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
	testURL    = "https://www.example.com/webhook_uri"
)

// The values are those of HubSpot's documentation and of its client library.
func TestSignatures(t *testing.T) {
	t.Parallel()
	require.Equal(t, "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e", signatureV2(testSecret, "GET", testURL, nil))
	require.Equal(t, "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900", signatureV2(testSecret, "POST", testURL, []byte(`{"example_field":"example_value"}`)))

	header := Sign(testSecret, "POST", testURL, []byte("{'example_field':'example_value'}"), time.UnixMilli(1693657560000))
	require.Equal(t, "4fe4e3a7d3cf09db53be39d0a58130e2aaba074ec123a9e355b876a689a1c383", header.Get("X-HubSpot-Signature"))
	require.Equal(t, "v2", header.Get("X-HubSpot-Signature-Version"))
	require.Equal(t, "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=", header.Get("X-HubSpot-Signature-v3"))
	require.Equal(t, "1693657560000", header.Get("X-HubSpot-Request-Timestamp"))
}

func TestSignatureV3DecodesTheURL(t *testing.T) {
	t.Parallel()
	require.Equal(t,
		signatureV3(testSecret, "GET", testURL+"?a=x:y/z@?,;!&b=%20", nil, "1"),
		signatureV3(testSecret, "GET", testURL+"?a=x%3Ay%2fz%40%3F%2C%3B%21&b=%20", nil, "1"))
}
