namespace Tessera.Models;

/// <summary>What the sizes and options of every model of images name.</summary>
public abstract record BackboneConfig
{
    /// <summary>Height and width of the images, in pixels.</summary>
    public abstract (int Height, int Width) ImageSize { get; init; }

    /// <summary>Number of classes; 0 for no classifier.</summary>
    public abstract int Classes { get; init; }

    /// <summary>Channels of the images.</summary>
    public abstract int Channels { get; init; }

    /// <summary>
    /// These sizes and options, but for what a user chose. A record with options of its own (dropout, a form for dense tasks) overrides it.
    /// </summary>
    /// <param name="options">What the user chose.</param>
    public virtual BackboneConfig With(ModelOptions options) =>
        this with
        {
            ImageSize = options.ImageSize ?? ImageSize,
            Classes = options.Classes ?? Classes,
            Channels = options.Channels ?? Channels,
        };
}

/// <summary>Sizes and options of a model with dropout and stochastic depth.</summary>
public abstract record RegularizedConfig : BackboneConfig
{
    /// <summary>Rate of dropout, in [0, 1).</summary>
    public abstract double Dropout { get; init; }

    /// <summary>Rate of stochastic depth of the last block, in [0, 1).</summary>
    public abstract double DropPath { get; init; }

    /// <inheritdoc/>
    public override BackboneConfig With(ModelOptions options) =>
        (RegularizedConfig)base.With(options) with
        {
            Dropout = options.Dropout ?? Dropout,
            DropPath = options.DropPath ?? DropPath,
        };
}
