package jetadmin

import "github.com/jetadmin/jetadmin/internal/page"

// PageRequest is which part of a list to return: at most Limit items (1 to 200;
// 0 = 50), from where the page before ended (Cursor; "" = the first page).
type PageRequest = page.Request

// Page is a part of a list: Items, and NextCursor for the next part ("" = there
// is none).
type Page[T any] = page.Page[T]
