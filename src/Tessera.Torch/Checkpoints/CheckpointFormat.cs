namespace Tessera.Checkpoints;

/// <summary>The kinds of files that are read.</summary>
public enum CheckpointFormat
{
    /// <summary>safetensors.</summary>
    Safetensors,

    /// <summary>PyTorch's zip archive, the form since version 1.6.</summary>
    TorchZip,

    /// <summary>PyTorch's stream of pickles, the form before version 1.6.</summary>
    TorchLegacy,

    /// <summary>A Python pickle without tensors of PyTorch: ground-truth files and the like.</summary>
    Pickle,

    /// <summary>numpy's archive of arrays.</summary>
    NumpyArchive,

    /// <summary>A single numpy array.</summary>
    NumpyArray,
}
