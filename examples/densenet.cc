// DenseNet (lecture notes 1.10; DN3): each layer of a block sees all maps before it, at 96 x 96.
#include "examples/lesson.h"

int main(int argc, char** argv) {
  return weft::examples::teach({.about = "DenseNet on Fashion-MNIST at 96 x 96; minutes an epoch on a CPU",
                                .model = "densenet_d2l",
                                .training = {.lr = 0.1, .image_size = 96},
                                .parameters = 758226,
                                .accuracy = 0.87},
                               argc, argv);
}
