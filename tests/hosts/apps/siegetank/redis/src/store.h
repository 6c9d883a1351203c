/* Texts by name, kept in a file to which every change is appended. */

void store_open(const char *path);
const char *store_get(const char *name);
void store_set(const char *name, const char *value);
/* The name at a position that begins with a prefix, or NULL behind the last one. */
const char *store_name(int position, const char *prefix);
