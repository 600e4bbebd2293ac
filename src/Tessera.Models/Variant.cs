namespace Tessera.Models;

/// <summary>What a user of a model may choose; null takes the variant's own.</summary>
public sealed record ModelOptions
{
    /// <summary>Number of classes.</summary>
    public int? Classes { get; init; }

    /// <summary>Channels of the images.</summary>
    public int? Channels { get; init; }

    /// <summary>Height and width of the images.</summary>
    public (int Height, int Width)? ImageSize { get; init; }

    /// <summary>Rate of dropout, in [0, 1).</summary>
    public double? Dropout { get; init; }

    /// <summary>Rate of stochastic depth of the last block, in [0, 1).</summary>
    public double? DropPath { get; init; }

    /// <summary>Rate of dropout of attention weights, in [0, 1); where the model has one.</summary>
    public double? AttentionDropout { get; init; }

    /// <summary>Text models: number of words.</summary>
    public int? Vocabulary { get; init; }

    /// <summary>
    /// The form for dense tasks of a model that has one: any image size, a norm after every stage, no classifier unless classes are given.
    /// </summary>
    public bool Dense { get; init; }
}

/// <summary>How images are prepared for a model's published weights.</summary>
/// <param name="Mean">Per channel, of values in [0, 1].</param>
/// <param name="Std">Per channel.</param>
/// <param name="CropRatio">Side of the centre crop over the resized short side.</param>
/// <param name="Interpolation">bicubic, bilinear or nearest.</param>
public sealed record Preprocessing(
    IReadOnlyList<double> Mean,
    IReadOnlyList<double> Std,
    double CropRatio,
    string Interpolation = "bicubic"
)
{
    /// <summary>Mean and deviation of ImageNet, crop 0.875.</summary>
    public static readonly Preprocessing ImageNet = new([0.485, 0.456, 0.406], [0.229, 0.224, 0.225], 0.875);

    /// <summary>Mean and deviation 0.5, crop 0.9: the ViT weights of Google.</summary>
    public static readonly Preprocessing Half = new([0.5, 0.5, 0.5], [0.5, 0.5, 0.5], 0.9);

    /// <summary>CIFAR-10 at its own size.</summary>
    public static readonly Preprocessing Cifar10 = new([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616], 1);

    /// <summary>CIFAR-100 at its own size.</summary>
    public static readonly Preprocessing Cifar100 = new([0.5071, 0.4867, 0.4408], [0.2675, 0.2565, 0.2761], 1);
}

/// <summary>A named model with its published figures.</summary>
/// <param name="Name">As in <c>cct_7_3x1_32</c>.</param>
/// <param name="Paper">Title, year and arXiv id.</param>
/// <param name="Create">Builds it.</param>
/// <param name="ImageSize">Height and width in pixels.</param>
/// <param name="Parameters">Published parameters in millions; null where none are.</param>
/// <param name="GMacs">Published multiply-accumulates of one image in 10^9; null where none are.</param>
/// <param name="MacsWithAttention">Whether that figure counts the two products of attention.</param>
/// <param name="Top1">Published accuracy in percent on <paramref name="Dataset"/>.</param>
/// <param name="Dataset">Where the accuracy was measured.</param>
/// <param name="Preprocessing">How images are prepared.</param>
/// <param name="Note">Training setting of the accuracy, or where figures differ from the paper's.</param>
/// <param name="TakesImages">False for a model of texts.</param>
public sealed record Variant(
    string Name,
    string Paper,
    Func<ModelOptions, Backbone> Create,
    int ImageSize,
    double? Parameters = null,
    double? GMacs = null,
    bool MacsWithAttention = true,
    double? Top1 = null,
    string? Dataset = null,
    Preprocessing? Preprocessing = null,
    string? Note = null,
    bool TakesImages = true
)
{
    /// <summary>A <see cref="Create"/> of sizes and options, but for what a user chooses.</summary>
    /// <typeparam name="TConfig">The record of sizes and options.</typeparam>
    /// <param name="config">The variant's own.</param>
    /// <param name="create">Builds a model of the resulting ones.</param>
    public static Func<ModelOptions, Backbone> Configured<TConfig>(TConfig config, Func<TConfig, Backbone> create)
        where TConfig : BackboneConfig => options => create((TConfig)config.With(options));

    /// <summary>A size that nobody published, for images of CIFAR: small enough to learn something in minutes.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="paper">Where the architecture comes from.</param>
    /// <param name="config">Its sizes: images of 32 pixels, or of 64 where strides leave too little of 32.</param>
    /// <param name="create">Builds a model of them.</param>
    internal static Variant Micro<TConfig>(string name, string paper, TConfig config, Func<TConfig, Backbone> create)
        where TConfig : BackboneConfig =>
        new(
            name,
            paper,
            Configured(config, create),
            ImageSize: config.ImageSize.Height,
            Dataset: "CIFAR-10",
            Preprocessing: Preprocessing.Cifar10,
            Note: config.ImageSize.Height == 32 ? "not published: for CIFAR" : "not published: for CIFAR, enlarged to 64 pixels"
        );
}
