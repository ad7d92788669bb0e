// GoogLeNet (lecture notes 1.9; I2): nine inception blocks of four paths side by side, at 96 x 96.
#include "examples/lesson.h"

int main(int argc, char** argv) {
  return weft::examples::teach({.about = "GoogLeNet on Fashion-MNIST at 96 x 96; minutes an epoch on a CPU",
                                .model = "googlenet_d2l",
                                .training = {.lr = 0.1, .batch = 128, .image_size = 96},
                                .parameters = 5977530,
                                .accuracy = 0.86},
                               argc, argv);
}
