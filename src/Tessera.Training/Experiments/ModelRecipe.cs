using System.ComponentModel.DataAnnotations;
using Tessera.Models;
using Tessera.Training.Bundles;
using Tessera.Training.Recipes;

namespace Tessera.Training.Experiments;

/// <summary>The model of a training.</summary>
/// <param name="Name">
/// Name in the registry; with a backbone, that of a head (<see cref="Heads"/>); or that of a generator (<see cref="Generators"/>) or of a
/// search space (<see cref="Architectures"/>). The fields of a head, generator or search space stand beside its name.
/// </param>
/// <param name="Classes">By default as many as the data has.</param>
/// <param name="Channels">By default as many as the data's images have.</param>
/// <param name="ImageSize">Side, or height and width; by default the common size of the data's images, or else the model's.</param>
/// <param name="Dropout">Rate of dropout; by default the variant's.</param>
/// <param name="DropPath">Rate of stochastic depth; by default the variant's.</param>
/// <param name="AttentionDropout">Rate of dropout of attention weights; by default the variant's.</param>
/// <param name="Weights">
/// Initial weights: a checkpoint, or a run folder, whose newest checkpoint is taken; of a checkpoint with several sets of weights
/// <c>{ file: FILE, key: KEY, prefix: PREFIX, ema: true }</c> names one. A classifier for other classes starts fresh; position tables for
/// another image size are resampled as in the model's paper.
/// </param>
/// <param name="WeightsEma">Takes the moving average of the weights of a run.</param>
/// <param name="NewHead">
/// Whether the classifier starts fresh; by default if its classes differ from those of the weights (for a file, if their number differs).
/// </param>
/// <param name="Backbone">
/// The model under a head: its name, options and weights. Weights beside the head are those of the whole model instead.
/// </param>
/// <param name="Head">The head of another task than classification; null for the backbone's own classifier.</param>
/// <param name="Generator">The model that makes images; null for one that looks at them.</param>
/// <param name="Architecture">The choices of a network of a search space; null for a model of the registry.</param>
public sealed record ModelRecipe(
    string Name,
    [Range(1, 1_000_000)] int? Classes = null,
    [Range(1, 1024)] int? Channels = null,
    IReadOnlyList<int>? ImageSize = null,
    [Range(0, 0.999)] double? Dropout = null,
    [Range(0, 0.999)] double? DropPath = null,
    [Range(0, 0.999)] double? AttentionDropout = null,
    WeightsFile? Weights = null,
    bool WeightsEma = false,
    bool? NewHead = null,
    ModelRecipe? Backbone = null,
    [RecipeBeside] HeadOptions? Head = null,
    [RecipeBeside] GeneratorOptions? Generator = null,
    [RecipeBeside] ArchitectureOptions? Architecture = null
)
{
    /// <summary>A head over a backbone.</summary>
    /// <param name="head">The head.</param>
    /// <param name="backbone">The model under it.</param>
    public ModelRecipe(HeadOptions head, ModelRecipe backbone)
        : this(
            RecipeShape.ChoiceName(head.GetType())
                ?? throw new ArgumentException($"{head.GetType().Name} has no name: Heads.Add makes it known", nameof(head)),
            Backbone: backbone,
            Head: head
        ) { }

    /// <summary>A model that makes images.</summary>
    /// <param name="generator">Its sizes and options.</param>
    public ModelRecipe(GeneratorOptions generator)
        : this(
            RecipeShape.ChoiceName(generator.GetType())
                ?? throw new ArgumentException($"{generator.GetType().Name} has no name: Generators.Add makes it known", nameof(generator)),
            Generator: generator
        ) { }

    /// <summary>A network of a search space, or a supernet.</summary>
    /// <param name="architecture">Its choices.</param>
    public ModelRecipe(ArchitectureOptions architecture)
        : this(
            RecipeShape.ChoiceName(architecture.GetType())
                ?? throw new ArgumentException(
                    $"{architecture.GetType().Name} has no name: Architectures.Add makes it known",
                    nameof(architecture)
                ),
            Architecture: architecture
        ) { }

    /// <summary>The head of another task than classification; null for the backbone's own classifier.</summary>
    public HeadOptions? Head { get; init; } =
        Checked(
            Head,
            Backbone,
            Name,
            [
                ("channels", Channels is not null),
                ("image_size", ImageSize is { Count: > 0 }),
                ("dropout", Dropout is not null),
                ("drop_path", DropPath is not null),
                ("attention_dropout", AttentionDropout is not null),
            ]
        );

    /// <summary>The model that makes images; null for one that looks at them.</summary>
    public GeneratorOptions? Generator { get; init; } =
        Generator is not null
        && Given([
            ("classes", Classes is not null),
            ("dropout", Dropout is not null),
            ("drop_path", DropPath is not null),
            ("attention_dropout", AttentionDropout is not null),
            ("new_head", NewHead is not null),
            ("backbone", Backbone is not null),
        ])
            is { } field
            ? throw new ArgumentException($"{field} must be left out: the generator {Name} has no such field")
            : Generator;

    /// <summary>The choices of a network of a search space; null for a model of the registry.</summary>
    public ArchitectureOptions? Architecture { get; init; } =
        Architecture is not null && Backbone is not null
            ? throw new ArgumentException($"backbone must be left out: {Name} is no head")
            : Architecture;

    // A head and its backbone come together, and each has fields of its own.
    private static HeadOptions? Checked(HeadOptions? head, ModelRecipe? backbone, string name, (string Field, bool Given)[] ofBackbone)
    {
        if (head is null)
            return backbone is null || Generators.All.Any(kind => kind.Name == name) || Architectures.All.Any(kind => kind.Name == name)
                ? null
                : throw new ArgumentException(
                    $"backbone needs a head in model.name ({string.Join(", ", Heads.All.Select(kind => kind.Name))}), and {name} is none"
                );
        if (backbone is null)
            throw new ArgumentException($"{name} needs the field backbone, which names a model of the registry");
        if (backbone.Head is not null || backbone.Generator is not null)
            throw new ArgumentException(
                $"backbone.name must be a model of the registry, and {backbone.Name} is a {(backbone.Head is null ? "generator" : "head")}"
            );
        if (backbone.Classes is not null || backbone.NewHead is not null)
            throw new ArgumentException("classes and new_head belong beside the head's name, not into backbone");
        return Given(ofBackbone) is { } field
            ? throw new ArgumentException($"{field} belongs into backbone: the head {name} has no such field")
            : head;
    }

    private static string? Given((string Field, bool Given)[] fields) => fields.FirstOrDefault(field => field.Given).Field;

    /// <summary>What people call it: the backbone, the head and its backbone, or the generator.</summary>
    public string Title => Backbone is null ? Name : $"{Name} over {Backbone.Name}";

    /// <summary>Name of the backbone in the registry; that of a generator where there is no backbone.</summary>
    internal string BackboneName => Backbone?.Name ?? Name;

    // Of the backbone.
    private ArchitectureOptions? Choices => Backbone is null ? Architecture : Backbone.Architecture;

    /// <summary>The backbone in the registry; null for a generator and for a network of a search space.</summary>
    /// <exception cref="UnknownModelException">The registry has no such name.</exception>
    internal Variant? Variant => Generator is null && Choices is null ? Registry.Get(BackboneName) : null;

    /// <summary>What the model is built from.</summary>
    /// <param name="options">As <see cref="Options"/> gives them.</param>
    internal ModelSpec Spec(ModelOptions options) => new(BackboneName, options, Head, Generator, Choices);

    /// <summary>Side, or height and width.</summary>
    public IReadOnlyList<int>? ImageSize { get; init; } =
        ImageSize switch
        {
            null or [] => null,
            [> 0] or [> 0, > 0] => ImageSize,
            _ => throw new ArgumentException("image_size must be one side, or height and width"),
        };

    /// <summary>As models take it.</summary>
    /// <param name="defaults">Of the data, where the recipe does not say.</param>
    public ModelOptions Options(ModelOptions defaults) =>
        Backbone?.Options(defaults with { Classes = Classes ?? defaults.Classes })
        ?? defaults with
        {
            Classes = Classes ?? defaults.Classes,
            Channels = Channels ?? defaults.Channels,
            ImageSize = ImageSize is { } own ? (own[0], own[^1]) : defaults.ImageSize,
            Dropout = Dropout,
            DropPath = DropPath,
            AttentionDropout = AttentionDropout,
        };
}
