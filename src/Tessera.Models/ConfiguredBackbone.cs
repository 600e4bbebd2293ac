namespace Tessera.Models;

/// <summary>What the sizes and options of every model of images name.</summary>
public interface IBackboneConfig
{
    /// <summary>Height and width of the images, in pixels.</summary>
    (int Height, int Width) ImageSize { get; }

    /// <summary>Number of classes; 0 for no classifier.</summary>
    int Classes { get; }

    /// <summary>Channels of the images.</summary>
    int Channels { get; }
}

/// <summary>A model of images that is made of a record of sizes and options.</summary>
/// <typeparam name="TConfig">The record.</typeparam>
public abstract class Backbone<TConfig> : Backbone
    where TConfig : IBackboneConfig
{
    private protected Backbone(TConfig config) => Options = config;

    /// <summary>Its sizes and options, as they are after another head or resolution.</summary>
    public TConfig Options { get; private protected set; }

    /// <inheritdoc/>
    public override (int Height, int Width) ImageSize => Options.ImageSize;

    /// <inheritdoc/>
    public override int Channels => Options.Channels;

    /// <inheritdoc/>
    public override int Classes => Options.Classes;
}
