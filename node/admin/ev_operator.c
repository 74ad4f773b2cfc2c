/* Who asks, by his own words. */
#include "node/admin/admin.h"

struct bytes admin_operator_of(const struct http_exchange *x)
{
	return rpc_operator(http_header(http_request(x), "Warmcast-Operator"));
}
