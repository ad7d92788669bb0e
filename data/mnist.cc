#include "data/mnist.h"

#include <utility>

#include "core/log.h"
#include "data/download.h"
#include "data/folders.h"
#include "data/idx.h"

namespace weft::data {
namespace {

constexpr int kClasses = 10, kSize = 28;

constexpr MnistFamily kFamilies[] = {
    {.name = "fashion-mnist",
     .about = "Zalando's articles of clothing, 28 x 28 grey (Xiao, Rasul, Vollgraf 2017)",
     .address = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
     .class_names = {"t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
                     "ankle boot"},
     .train_images = {"train-images-idx3-ubyte", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
     .train_labels = {"train-labels-idx1-ubyte", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
     .val_images = {"t10k-images-idx3-ubyte", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
     .val_labels = {"t10k-labels-idx1-ubyte", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"}},
    {.name = "mnist",
     .about = "handwritten digits, 28 x 28 grey (LeCun, Cortes, Burges 1998)",
     .address = "https://ossci-datasets.s3.amazonaws.com/mnist/",
     .class_names = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
     .train_images = {"train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
     .train_labels = {"train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
     .val_images = {"t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
     .val_labels = {"t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"}},
};

// The files in the cache folder, the missing ones downloaded first.
std::vector<std::string> downloaded(const MnistFamily& family, std::span<const MnistFamily::File* const> files) {
  const std::string cache = cache_folder();
  require_data(!cache.empty(), family.name,
               "nowhere to download to: neither XDG_CACHE_HOME nor HOME is set; give a data folder");
  std::vector<std::string> paths;
  for (const MnistFamily::File* file : files) {
    const std::string address = message(family.address, file->name, ".gz");
    const std::string path = message(cache, "/", family.name, "/", file->name);
    const std::string alone[] = {file->name};
    if (const auto found = find_files(family.name, alone, ""); found) {
      paths.push_back(found->front());
      continue;
    }
    log(LogLevel::info, "downloading ", address, " to ", path);
    download({.address = address, .path = path, .sha256 = file->sha256});
    paths.push_back(path);
  }
  return paths;
}

}  // namespace

std::span<const MnistFamily> mnist_families() { return kFamilies; }

Facts mnist_facts(const MnistFamily& family) {
  return {.name = family.name,
          .about = family.about,
          .input = {1, kSize, kSize},
          .classes = kClasses,
          .class_names = {family.class_names.begin(), family.class_names.end()},
          .train_samples = 60000,
          .val_samples = 10000};
}

DatasetPtr open_mnist(const MnistFamily& family, const OpenOptions& options) {
  const bool train = options.split == Split::train;
  const MnistFamily::File* const files[] = {train ? &family.train_images : &family.val_images,
                                            train ? &family.train_labels : &family.val_labels};
  const std::string names[] = {files[0]->name, files[1]->name};
  std::optional<std::vector<std::string>> paths = find_files(family.name, names, options.dir);
  require_data(paths || options.download, family.name, "not found in WEFT_DATA_DIR or ", cache_folder(),
               "; give its folder or allow the download");
  if (!paths) paths = downloaded(family, files);
  IdxImages loaded = read_idx_images(paths->at(0), paths->at(1), kClasses);
  require_data(loaded.images.size(2) == kSize && loaded.images.size(3) == kSize, paths->at(0),
               "offset 8: expected images of 28 x 28, found ", loaded.images.shape());
  if (options.samples > 0 && options.samples < loaded.images.size(0)) {
    loaded = {loaded.images.slice(0, 0, options.samples), loaded.labels.slice(0, 0, options.samples)};
  }
  return std::make_shared<const ImageSet>(loaded.images, loaded.labels, options.image_size);
}

}  // namespace weft::data
