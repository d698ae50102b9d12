// Gives each line of standard input to the verifier of examples/verify: `ok SUBJECT` or `refused`.
package main

import (
	"bufio"
	"fmt"
	"os"

	"verifier/verify"
)

func main() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if claims, err := verify.Verify(lines.Text(), os.Getenv("DOORWARD_URL")); err == nil {
			fmt.Println("ok", claims["sub"])
		} else {
			fmt.Println("refused", err)
		}
	}
}
