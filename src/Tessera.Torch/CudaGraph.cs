using Tessera.Native;

namespace Tessera;

/// <summary>
/// Work on a CUDA device that is recorded once and then started as a whole, which saves the processor's part: some microseconds for
/// each operator.
/// </summary>
/// <remarks>
/// A replay runs the same kernels on the same memory, so values that change between replays must lie in permanent tensors: copy new
/// inputs into the tensors that the recording has read (<c>Copy_</c>), and read results from tensors that it has kept
/// (<see cref="Tensor.Keep"/>). Numbers of the processor are frozen, and the recorded code must not wait for the device, as
/// <see cref="Tensor.ToDouble"/> does. Random numbers differ from replay to replay. To record a step of training, set
/// <see cref="Optim.Optimizer.Recordable"/> first.
/// </remarks>
public sealed class CudaGraph : IDisposable
{
    [ThreadStatic]
    private static bool recording;

    private nint handle;

    private CudaGraph(nint handle) => this.handle = handle;

    /// <summary>Whether this thread is recording.</summary>
    public static bool IsRecording => recording;

    /// <summary>Runs an action several times, so that the engine and its libraries set themselves up, and then records it.</summary>
    /// <param name="body">The action to record. The runs before the recording count: a training step is taken in each.</param>
    /// <param name="device">Number of the device.</param>
    /// <param name="warmUps">Number of runs before the recording; at least 1.</param>
    /// <returns>The graph; the recorded run has not been computed yet.</returns>
    /// <exception cref="NotSupportedException">There is no such device.</exception>
    /// <exception cref="TorchException">The action contains work that cannot be recorded.</exception>
    public static CudaGraph Capture(Action body, int device = 0, int warmUps = 3)
    {
        ArgumentNullException.ThrowIfNull(body);
        ArgumentOutOfRangeException.ThrowIfLessThan(warmUps, 1);
        if (recording)
            throw new InvalidOperationException("a graph is being recorded already");
        if (Cuda.Count is var count && (device < 0 || device >= count))
            throw new NotSupportedException(
                count == 0
                    ? "a CUDA graph needs a CUDA device, and there is none (tessera info shows what there is)"
                    : $"there is no CUDA device {device}: the devices are 0 to {count - 1}"
            );
        Dispatcher.Check(Imports.CudaGraphNew(device, out var handle));
        var graph = new CudaGraph(handle);
        try
        {
            graph.Record(body, warmUps);
            return graph;
        }
        catch
        {
            graph.Dispose();
            throw;
        }
    }

    private void Record(Action body, int warmUps)
    {
        Dispatcher.Check(Imports.CudaGraphEnter(handle));
        try
        {
            for (var i = 0; i < warmUps; i++)
                Run(body);
            // What lies about would be freed while recording.
            Torch.Collect();
            Dispatcher.Check(Imports.CudaGraphBegin(handle));
            recording = true;
            try
            {
                Run(body);
            }
            catch
            {
                // The recording has to end all the same; what the engine says of a broken one tells less than what broke it.
                _ = Imports.CudaGraphEnd(handle);
                throw;
            }
            finally
            {
                recording = false;
            }
            Dispatcher.Check(Imports.CudaGraphEnd(handle));
        }
        finally
        {
            Dispatcher.Check(Imports.CudaGraphLeave(handle));
        }
    }

    private static void Run(Action body)
    {
        using var scope = new Scope();
        body();
    }

    /// <summary>Starts the recorded work. Like every operator, this method returns before the device has finished.</summary>
    /// <exception cref="ObjectDisposedException">The graph has been disposed.</exception>
    public void Replay()
    {
        ObjectDisposedException.ThrowIf(handle == 0, this);
        Dispatcher.Check(Imports.CudaGraphReplay(handle));
    }

    /// <summary>Frees the graph and its memory: do not use tensors that the recording has kept after this.</summary>
    public void Dispose()
    {
        var old = handle;
        handle = 0;
        if (old != 0)
            Dispatcher.Check(Imports.CudaGraphFree(old));
    }
}
