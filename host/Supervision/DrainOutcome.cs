namespace PluginServer.Supervision;

/// <summary>What became of those who were inside when a drain began, or came in while it began.</summary>
/// <param name="Finished">The handler returned.</param>
/// <param name="Closed">Ended otherwise meanwhile: by the peer, a limit or a fault.</param>
/// <param name="Cut">Ended by the host at the deadline.</param>
/// <param name="IsComplete">False when a resume, a removal or a stop of the host took over before: nobody was cut by the drain then.</param>
internal sealed record DrainOutcome(long Finished, long Closed, long Cut, bool IsComplete);
