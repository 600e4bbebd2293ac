using Tessera.Training;

namespace Tessera.Hosting;

/// <summary>The model of a <see cref="Predictor"/> and how it computes. Sections of a configuration have these names.</summary>
public sealed class PredictorOptions
{
    /// <summary>Folder of a run, or of a bundle by itself. Either this or <see cref="Weights"/> must be given.</summary>
    public string? Run { get; set; }

    /// <summary>File of published weights: safetensors, or what PyTorch saves. <see cref="Model"/> says of which model.</summary>
    public string? Weights { get; set; }

    /// <summary>With <see cref="Weights"/>: name of the model in the registry.</summary>
    public string? Model { get; set; }

    /// <summary>With <see cref="Weights"/>: names of the classes; empty for those that the weights are published for.</summary>
    public IList<string> Classes { get; } = [];

    /// <summary>With <see cref="Run"/>: whether the best weights by the primary score are taken instead of the newest.</summary>
    public bool Best { get; set; }

    /// <summary>Whether the moving average of the weights is taken.</summary>
    public bool Ema { get; set; }

    /// <summary>Where the model computes: <c>cpu</c> (the default), <c>cuda</c> or <c>cuda:N</c>.</summary>
    public string Device { get; set; } = "cpu";

    /// <summary>
    /// Whether the model is compiled for the CPU. Null (the default) compiles it where that is possible and logs why where it is not.
    /// Embeddings are compiled as well, when the first is asked for: with weights of their own.
    /// </summary>
    public bool? Compiled { get; set; }

    /// <summary>Type of the products: <see cref="Training.Precision.Fp32"/> by default.</summary>
    public Precision Precision { get; set; }

    /// <summary>Threads that compute one image of a compiled model, at least 1; null (the default) for 1.</summary>
    public int? Threads { get; set; }

    /// <summary>
    /// Images that are decoded and computed at once, at least 1. Null (the default) takes as many as there are processors for by
    /// <see cref="Threads"/>; a model that is not compiled then computes fewer at once where <see cref="Torch.Threads"/> is more than 1,
    /// and one on a GPU.
    /// </summary>
    public int? Concurrency { get; set; }

    /// <summary>
    /// Calls that may wait for their turn, at least 1: one more is refused with a <see cref="PredictorBusyException"/>. Null (the default)
    /// lets any number wait.
    /// </summary>
    public int? QueueLimit { get; set; }

    /// <summary>Classes that an answer lists at most, at least 1; what belongs to the answer is listed in any case.</summary>
    public int Top { get; set; } = 5;
}
