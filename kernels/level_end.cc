// The null that ends the list of a level's registrations: linked last into each level (cmake/cpu_levels.cmake).
[[gnu::section(".init_array"), gnu::used]] static void (*weft_level_end)() = nullptr;
